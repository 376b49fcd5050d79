"""`NetworkSerial`: what ports behind a TCP connection have in common, on anyserial's own clients.

Such a port has no descriptor to wait for and no driver. What a `Serial` has because of these is missing here, so
that a program which asks with `hasattr` sees it.
"""

import logging
from typing import TYPE_CHECKING, ClassVar, override
from urllib.parse import parse_qsl, urlsplit

from anyserial_sync._pyserial._errors import SerialException
from anyserial_sync._pyserial._serial import LinkedSerial

if TYPE_CHECKING:
    from anyserial.config import SerialConfig

__all__ = ("LOGGER_LEVELS", "NetworkSerial", "logger_of")

LOGGER_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class NetworkSerial(LinkedSerial):
    """A port behind a TCP connection; its name is a URL.

    Attributes:
        logger: Where opening and closing are logged, None unless the URL asks for it.
    """

    logger: logging.Logger | None = None

    _scheme: ClassVar[str]

    @override
    def open(self) -> None:
        """Connect.

        Raises:
            SerialException: The URL is not one of this kind of port, or the server cannot be reached or refuses.
        """
        if self._port is not None:
            self.from_url(self._port)
        super().open()
        self._log("opened")

    @override
    def close(self) -> None:
        """Close the connection; what was written leaves first, for as long as it moves."""
        was_open = self.is_open
        super().close()
        if was_open:
            self._log("closed")

    def from_url(self, url: str) -> tuple[str | None, int | None]:
        """Take the option ``logging`` of a URL, and return its host and port.

        Raises:
            SerialException: The URL is of another kind, or its TCP port or the option is wrong.
        """
        try:
            parts = urlsplit(url)
            if parts.scheme != self._scheme:
                raise ValueError(f"its URL begins with {self._scheme}://")  # noqa: TRY301  # as those that urlsplit raises
            self.logger = logger_of(self._scheme, dict(parse_qsl(parts.query, keep_blank_values=True)))
            return parts.hostname, parts.port
        except ValueError as exc:
            raise SerialException(f"could not open port {url}: {exc}") from exc

    def _log(self, what: str) -> None:
        if self.logger is not None:
            self.logger.info("%s %s", what, self)

    @override
    def _wanted_config(self) -> "SerialConfig":
        # A server has no lock and no driver of this kind.
        return super()._wanted_config().with_changes(exclusive=False, rs485=None)


def logger_of(scheme: str, options: dict[str, str]) -> logging.Logger | None:
    """Return the logger that the option ``logging`` asks for, None without it.

    Raises:
        ValueError: Its value is not a level.
    """
    if "logging" not in options:
        return None
    level = LOGGER_LEVELS.get(options["logging"])
    if level is None:
        raise ValueError(f"logging must be one of {', '.join(LOGGER_LEVELS)} (got {options['logging']!r})")
    logging.basicConfig()  # without it nothing would be shown in a program that sets up no logging
    logger = logging.getLogger(f"pySerial.{scheme}")
    logger.setLevel(level)
    return logger
