import errno
import os
import select
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

if sys.platform == "linux":
    from anyserial_discovery._inotify import DirectoryChanges


def test_what_happens_in_a_directory_is_told_by_name(tmp_path: Path) -> None:
    changes = DirectoryChanges(str(tmp_path))
    try:
        assert changes.read() == []
        node = tmp_path / "ttyUSB0"
        node.touch()
        assert changes.read() == ["ttyUSB0"]
        node.chmod(0o660)
        assert changes.read() == ["ttyUSB0"]
        node.rename(tmp_path / "ttyUSB1")
        assert changes.read() == ["ttyUSB0", "ttyUSB1"]
        (tmp_path / "ttyUSB1").unlink()
        names = changes.read()
        assert names is not None
        assert set(names) == {"ttyUSB1"}
        # Reading and writing are nobody's business.
        node.touch()
        changes.read()
        node.write_text("x")
        assert changes.read() == []
    finally:
        changes.close()


def test_the_descriptor_becomes_readable_and_is_not_inherited(tmp_path: Path) -> None:
    changes = DirectoryChanges(str(tmp_path))
    try:
        assert not os.get_inheritable(changes.fileno())
        assert select.select([changes.fileno()], [], [], 0)[0] == []
        (tmp_path / "x").touch()
        assert select.select([changes.fileno()], [], [], 5)[0] == [changes.fileno()]
    finally:
        changes.close()


def test_an_overrun_is_told(tmp_path: Path) -> None:
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    if not limit.exists() or int(limit.read_text()) > 100_000:
        pytest.skip("the queue is too long to fill here")
    changes = DirectoryChanges(str(tmp_path))
    try:
        for number in range(int(limit.read_text()) // 2 + 10):
            # Two events each, of other names than the last, or the kernel merges them.
            place = tmp_path / f"x{number}"
            place.touch()
            place.unlink()
        while (names := changes.read()) is not None:
            assert names
    finally:
        changes.close()


@pytest.mark.parametrize(("name", "number"), [("missing", errno.ENOENT), ("file", errno.ENOTDIR)])
def test_what_cannot_be_watched_is_refused_and_nothing_leaks(tmp_path: Path, name: str, number: int) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=name) as caught:
        DirectoryChanges(str(tmp_path / name))
    assert caught.value.errno == number
