"""Opening a port, for both faces: from a path and settings to an open port.

Theory of operation. The driver may take any time to open a port, so a worker makes that call. The caller
may stop waiting at any time (cancelled, timed out, Ctrl-C), and the constructor of the port or of a subclass
may raise. In each of these cases a worker closes what was opened. The caller waits for that, so that an
exclusive port can be opened again as soon as the error arrives; it waits no longer than the close of a port
may take.

`Opening` does everything except the waiting. The async face waits in an event loop (`_async_opening`), the
blocking face in its caller's thread. `_drivers` knows which driver serves what.
"""

import os
from typing import TYPE_CHECKING, Any, cast

from anyserial import _workers
from anyserial._checks import check_config
from anyserial._parts import loading
from anyserial._port import forking
from anyserial._port.closing import GRACE
from anyserial._port.transport import waits_itself
from anyserial._workers import Job
from anyserial.config import SerialConfig
from anyserial.exceptions import ConfigurationError, SerialError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anyserial._port.lifecycle import Lifecycle
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.discovery import PortInfo

__all__ = ("Opening", "settled")


_defaults: SerialConfig | None = None


def settled(config: SerialConfig | None, fields: "Mapping[str, Any]") -> SerialConfig:
    """Return the settings that an opener was given: a configuration, fields, or fields that override it.

    Raises:
        TypeError: *config* is not a SerialConfig, or a field does not exist.
        ConfigurationError: A field is not valid.
    """
    if config is None and not fields:
        global _defaults  # noqa: PLW0603  # made with the first open, not with the import
        if _defaults is None:
            _defaults = SerialConfig()
        return _defaults
    try:
        if config is None:
            return SerialConfig(**fields)
        check_config(config, fields="{}")
        # What copy.replace does: unlike `with_changes`, it answers a TypeError to a name that no field has.
        return config.__replace__(**fields) if fields else config
    except (SerialError, TypeError) as exc:
        raise exc.with_traceback(None)  # noqa: B904  # the same error


class Opening:
    """One opening, except the waiting.

    Args:
        path: The device's path, or what discovery found.
        config: The settings; see `settled`.
        backend: An unopened backend; None for the one that the driver table gives.

    Raises:
        TypeError: An argument is of the wrong type.
        ConfigurationError: *path* cannot be a path.

    Attributes:
        device: The path to open.
        config: The settings.
        backend: The backend, once it is known.
        info: What discovery knows about the device.
        port: The port, once its constructor has begun.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str] | PortInfo",
        config: SerialConfig,
        backend: "SerialBackend | AsyncSerialBackend | None",
    ) -> None:
        self.config = config
        self.device: str
        self.info: PortInfo | None
        try:
            self.device, self.info = _device_path(path)
        except (SerialError, TypeError) as exc:
            raise exc.with_traceback(None)  # noqa: B904  # the same error
        self.backend = backend
        self._given = backend is not None
        self._failed = False
        self._job: Job | None = None
        self.port: object = None

    @property
    def is_url(self) -> bool:
        """Whether a URL decides which backend opens the port; `find_backend` must be called first then."""
        return self.backend is None and "://" in self.device and "/" not in self.device.partition("://")[0]

    def find_backend(self) -> None:
        """Ask the driver table for the backend. Loads modules, which takes a while.

        Raises:
            ConfigurationError: It is a URL that no row serves.
        """
        with loading(self.device):
            from anyserial import _drivers, _errno  # noqa: PLC0415  # their first use, and not on a loop's thread

        try:
            with loading(self.device):
                self.backend = _drivers.backend_for(self.device)
        except SerialError as exc:
            raise _errno.brief(exc)  # noqa: B904  # the same error

    @property
    def waits_itself(self) -> bool:
        """Whether the backend opens in an event loop, and not on a worker."""
        return self.backend is not None and waits_itself(self.backend)

    @property
    def patience(self) -> float:
        """Seconds that a caller which gives up waits until nothing is left open."""
        return self.config.close_timeout + GRACE

    @property
    def may_be_open(self) -> bool:
        """Whether something is open, or may still be opened."""
        return self._job is not None and not (self._job.finished and self._failed)

    @property
    def failed(self) -> bool:
        """Whether the driver could not open the port; `failure` says why."""
        return self._failed

    def failure(self) -> BaseException:
        """Return why the driver could not open the port; once."""
        job = self._job
        assert job is not None  # noqa: S101  # otherwise it cannot have failed
        error, job.error = job.error, None
        assert error is not None  # noqa: S101  # the same
        from anyserial._errno import brief  # noqa: PLC0415  # the worker has loaded it

        return brief(error)

    def begin(self, notify: "Callable[[], object]", *afterwards: "Callable[[], object]") -> Job:
        """Open on a worker, which calls *afterwards* and *notify* when it is done or has failed."""
        job = self._job = Job(self._open, notify, skippable=True)
        forking.watch(self)
        job.afterwards += (self._note_failure, *afterwards)
        _workers.post(job)
        return job

    def _open(self) -> None:
        backend = self.backend
        with loading(self.device):
            # On the worker: an import would hold up an event loop. The errors of an open port need the second.
            # In this form, because every open comes here, and ``from anyserial import`` takes longer.
            import anyserial._drivers as drivers  # noqa: PLC0415
            import anyserial._errno  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]

            if self.info is not None and not self._given:
                self.info = drivers.locate(self.info)
                self.device = self.info.device
            if backend is None:
                backend = self.backend = drivers.backend_for(self.device)
        cast("SerialBackend", backend).open(self.device, self.config)
        # A backend may know that discovery has nothing to tell.
        if self.info is None and not self._given and getattr(backend, "has_device", True):
            self.info = drivers.port_info_for(self.device)

    def make[P](self, cls: type[P]) -> P:
        """Return the port, of class *cls*.

        Raises:
            BaseException: What the constructor raised; call `give_up` then.
        """
        # What calling the class does, but the port is known here if its constructor fails or is interrupted.
        port: Any = cls.__new__(cls)
        if self.info is None:
            self.info = getattr(self.backend, "port_info", None)
        self.port = port
        port.__init__(self.backend, self.config, port_info=self.info)
        forking.forget(self)
        return cast("P", port)

    def give_up(self, notify: "Callable[[], object]") -> None:
        """Close what was opened or will be opened, then call *notify*. A second time it does nothing new."""
        lifecycle: Lifecycle | None = getattr(self.port, "_lifecycle", None)
        if lifecycle is not None:
            # It owns the backend now. Closing the backend here as well would close another file's descriptor.
            lifecycle.close()
            lifecycle.closing.on_finish(notify)
        elif self._job is not None:
            self._job.give_up(self._close, notify)

    def _close(self) -> None:
        try:
            if self.backend is not None and self.backend.is_open:
                cast("SerialBackend", self.backend).close()
        finally:
            forking.forget(self)

    def _note_failure(self) -> None:
        if self._job is not None and self._job.error is not None:
            self._failed = True  # kept here, because `failure` takes the error from the job
            forking.forget(self)

    # In a forked child

    def fork(self) -> None:
        """Do nothing: the worker that opens does not exist in this process."""

    def fileno(self) -> int | None:
        """Return the descriptor, once there is one."""
        backend = self.backend
        return None if backend is None or waits_itself(backend) else backend.fileno()


def _device_path(path: "str | os.PathLike[str] | PortInfo") -> "tuple[str, PortInfo | None]":
    """Return the path to open, and the PortInfo if that is what was given.

    Raises:
        TypeError: *path* is neither a path nor a PortInfo.
        ConfigurationError: It cannot be a path.
    """
    info: PortInfo | None = None
    name: object = path
    if isinstance(path, (str, os.PathLike)):
        name = os.fspath(path)
    elif (device := getattr(path, "device", None)) is not None:  # a PortInfo, whose module need not be loaded for this
        info, name = path, device
    if not isinstance(name, str):
        raise TypeError(f"path must be a str, a path or a PortInfo (got {path!r})")
    if not name or "\0" in name:
        raise ConfigurationError(f"path must be the path of a serial port (got {name!r})")
    return name, info
