from dataclasses import replace

from anyserial.discovery import PortInfo
from anyserial_discovery._polling import PollingWatcher

A = PortInfo(device="/dev/cu.a", serial_number="1")
B = PortInfo(device="/dev/cu.b")


def test_what_has_changed_between_two_looks() -> None:
    ports = [A, B]
    forbidden: set[str] = set()
    watcher = PollingWatcher(lambda: list(ports), 0.5, may_open=lambda path: path not in forbidden)

    def look() -> list[tuple[str, PortInfo]]:
        watcher.process()
        found: list[tuple[str, PortInfo]] = [(event.kind, event.port) for event in watcher.events]
        watcher.events.clear()
        return found

    assert (watcher.fileno(), watcher.timeout()) == (None, 0.5)
    assert look() == [("added", A), ("added", B)]
    assert look() == []
    ports.remove(A)
    assert look() == [("removed", A)]
    forbidden.add(A.device)
    ports.append(A)
    assert look() == []
    forbidden.clear()
    assert look() == [("added", A)]
    # Another device under the same name.
    other = replace(A, serial_number="2")
    ports[:] = [B, other]
    assert look() == [("removed", A), ("added", other)]
    # Known, but not here.
    ports[:] = [B, replace(other, present=False)]
    assert look() == [("removed", other)]
    watcher.close()
    ports.clear()
    assert look() == []
