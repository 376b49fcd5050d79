"""Serial-port discovery and hot-plug for anyserial: the platforms behind `anyserial.discovery`.

The seam. Everything here blocks and knows no event loop; what is asynchronous
(`anyserial.discovery`) and what is not (`anyserial.sync`) build on the same four
functions, which they reach through core's `load_part`:

- `list_ports(backend)` and `find_port(backend=, **filters)` answer at once, from
  system files, without opening a port. Run them in a thread where blocking matters: a
  walk takes some tenths of a millisecond a port.
- `port_info_for(path)` tells one port, for one that is open or about to be. It never raises.
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
  sleep for `timeout()`). `timeout()` is in seconds, None for ever; ask anew each time.
  `process()` never blocks for long (it reads system files, so an event loop runs it in
  a thread) and appends what it found to `events`, so that an abandoned call loses
  nothing; call it however often, a call without a cause finds nothing. `close()` may be
  called from any thread, also while `process()` runs, and never blocks; after it,
  `process()` does nothing. Whoever waits on the descriptor must be woken before (it is
  the caller's business: a wake descriptor, or the event loop's own way).

What a platform needs is imported when it is first asked for. No module here imports
another part of anyserial.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyserial.discovery import DiscoveryBackend, PortInfo

    from anyserial_discovery._watcher import Watcher

__all__ = ("find_port", "list_ports", "open_watcher", "port_info_for")


def list_ports(backend: "DiscoveryBackend" = "native") -> "list[PortInfo]":
    """List the serial ports of this host, as they are now.

    Args:
        backend: Who is asked.

    Raises:
        ImportError: The library that `backend` names is not installed; the message
            says what to install.
        UnsupportedPlatformError: `backend` does not know this platform.
        ValueError: There is no such backend.
    """
    from anyserial_discovery._platform import lister  # noqa: PLC0415 - only what is asked for

    return lister(backend)()


def find_port(*, backend: "DiscoveryBackend" = "native", **filters: object) -> "PortInfo | None":
    """Find the first port that matches every filter that is not None.

    Args:
        backend: Who is asked.
        filters: vid, pid, serial_number, device, location, interface_number,
            manufacturer, product, as for `anyserial.find_serial_port`.

    Raises:
        TypeError: A filter has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
        ImportError: As for `list_ports`.
        UnsupportedPlatformError: As for `list_ports`.
    """
    from anyserial_discovery._match import Filters  # noqa: PLC0415 - only what is asked for

    wanted = Filters(**filters)
    return wanted.first(list_ports(backend))


def port_info_for(path: str) -> "PortInfo | None":
    """Tell what port a path leads to; never raises.

    Args:
        path: A node, or a link to one.

    Returns:
        None when it is no known port (a pseudo terminal), or when nothing could be found out.
    """
    from anyserial_discovery._platform import resolver  # noqa: PLC0415 - only what is asked for

    try:
        return resolver()(path)
    except Exception:  # noqa: BLE001 - identity is an extra: it must not keep a port from opening
        return None


def open_watcher(*, interval: float = 1.0) -> "Watcher":
    """Start watching the ports of this host.

    The first events are an ``"added"`` for each port present.

    Args:
        interval: Seconds between two looks where only looking helps, > 0.

    Raises:
        UnsupportedPlatformError: This platform is not known.
        OSError: The kernel refuses the descriptors that watching takes.
    """
    from anyserial_discovery._platform import watcher  # noqa: PLC0415 - only what is asked for

    return watcher(interval)
