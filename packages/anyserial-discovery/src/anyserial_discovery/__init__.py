"""Serial-port discovery and hot-plug for anyserial: the platforms behind `anyserial.discovery`.

The seam. Everything here blocks and knows no event loop; what is asynchronous
(`anyserial.discovery`) and what is not (`anyserial.sync`) build on the same functions,
which they reach through core's `load_part`:

- `list_ports(backend)` and `find_port(backend=, **filters)` answer at once, from
  system files, without opening a port. Run them in a thread where blocking matters: a
  walk takes some tenths of a millisecond a port. `matcher(**filters)` is the test
  that find uses, for a caller that has ports already; `may_open(path)` checks the permissions.
- `port_info_for(path)` describes one port, which is open or about to be. It never raises.
- `locate(info)` finds a port again that was described before, before it is opened.
- `open_watcher(interval=)` starts watching and hands out a watcher. It is used like this::

      watcher = open_watcher(interval=1.0)
      try:
          while True:
              while watcher.events:
                  handle(watcher.events.popleft())
              wait until watcher.fileno() is readable, at most watcher.timeout() seconds
              watcher.process()
      finally:
          watcher.close()

  `fileno()` is one descriptor to poll for reading (None: there is nothing to wait on,
  sleep for `timeout()`). `timeout()` is in seconds, None for ever; ask again each time.
  `process()` never blocks for long (it reads system files, so an event loop runs it in
  a thread) and appends what it found to `events`, so that an abandoned call loses
  nothing; call it however often, a call without a cause finds nothing. If it raises, the
  watch goes on: the next call looks at everything again. `close()` may be called from
  any thread, also while `process()` runs, and never blocks; after it, `process()` does
  nothing. The caller must wake what waits on the descriptor before (by a wake descriptor,
  or by the event loop's own means).

An error of the system never looks like "no ports": it raises a `SerialError` with the errno.

What a platform needs is imported when it is first asked for. No module here imports
another part of anyserial.
"""

from typing import TYPE_CHECKING

from anyserial_discovery._errors import translated
from anyserial_discovery._host import may_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial.discovery import DiscoveryBackend, PortInfo

    from anyserial_discovery._watcher import Watcher

__all__ = ("find_port", "list_ports", "locate", "matcher", "may_open", "open_watcher", "port_info_for")


def list_ports(backend: "DiscoveryBackend" = "native") -> "list[PortInfo]":
    """List the serial ports of this host, as they are now.

    Args:
        backend: Which library lists the ports.

    Raises:
        ImportError: The library that `backend` names is not installed; the message
            says what to install.
        UnsupportedPlatformError: `backend` does not know this platform.
        ValueError: There is no such backend.
        PortPermissionError: This user may not list the system's ports.
        SerialError: The system is out of descriptors or memory.
    """
    with translated():
        from anyserial_discovery._platform import lister  # noqa: PLC0415 - only what is asked for

        return lister(backend)()


def find_port(*, backend: "DiscoveryBackend" = "native", **filters: object) -> "PortInfo | None":
    """Find the first port that matches every filter that is not None.

    Args:
        backend: Which library lists the ports.
        filters: As for `matcher`.

    Returns:
        The first match that has a node here, else the first that has none, else None.

    Raises:
        TypeError: A filter has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
        ImportError: As for `list_ports`.
        UnsupportedPlatformError: As for `list_ports`.
        SerialError: As for `list_ports`.
    """
    with translated():
        from anyserial_discovery._match import Filters  # noqa: PLC0415 - only what is asked for

        wanted = Filters(**filters)
        return wanted.first(list_ports(backend))


def matcher(**filters: object) -> "Callable[[PortInfo], bool]":
    """Return what tells whether a port matches every filter that is not None.

    Args:
        filters: vid, pid, serial_number, device, location, interface_number,
            manufacturer, product, as for `anyserial.find_serial_port`. ``device`` may
            also be the kernel's name (``"ttyUSB0"``).

    Raises:
        TypeError: A filter has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
    """
    with translated():
        from anyserial_discovery._match import Filters  # noqa: PLC0415 - only what is asked for

        return Filters(**filters).match


def port_info_for(path: str) -> "PortInfo | None":
    """Tell what port a path leads to; never raises.

    Args:
        path: A node, or a link to one.

    Returns:
        None when it is not a known port (a pseudo terminal), or when nothing could be found out.
    """
    try:
        from anyserial_discovery._platform import resolver  # noqa: PLC0415 - only what is asked for

        return resolver()(path)
    except Exception:  # noqa: BLE001 - identity is an extra: it must not keep a port from opening
        return None


def locate(info: "PortInfo") -> "PortInfo":
    """Return the port that was described before, as it is now: at the node that it has now.

    A USB port with a serial number is found wherever it is plugged in; one without, or
    with one that it shares with another, in the socket where it was; any other port by
    its location on the bus, or by its name where it has none. `_identity` has the table.

    Where nothing has changed, this looks at the one node and at no other port.

    Args:
        info: A PortInfo, however old. One that has nothing but `device` is just that path.

    Returns:
        *info* itself if nothing has changed, or if it is just a path.

    Raises:
        PortNotFoundError: The port is not there, and the message says what is at its
            path now; or several ports may be it, and none is where it was.
        SerialError: As for `list_ports`.
    """
    with translated():
        from anyserial.exceptions import UnsupportedPlatformError  # noqa: PLC0415 - only what is asked for

        from anyserial_discovery import _identity  # noqa: PLC0415 - only what is asked for
        from anyserial_discovery._platform import lister, resolver  # noqa: PLC0415 - only what is asked for

        try:
            at, ports = resolver(), lister()
        except UnsupportedPlatformError:
            # It cannot be looked for, but it may well be opened.
            return info
        return _identity.locate(info, at, ports)


def open_watcher(*, interval: float = 1.0) -> "Watcher":
    """Start watching the ports of this host.

    The first events are an ``"added"`` for each port present.

    Args:
        interval: Seconds between two listings where the system reports no changes, > 0.

    Raises:
        UnsupportedPlatformError: This platform is not known.
        PortPermissionError: This user may not list the system's ports.
        SerialError: The kernel refuses the descriptors that watching takes, or the
            system is out of descriptors or memory.
    """
    with translated():
        from anyserial_discovery._platform import watcher  # noqa: PLC0415 - only what is asked for

        return watcher(interval)
