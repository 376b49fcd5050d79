"""The clauses of the contract, by number, as docs/backends.md lists them. What checks them is not known here."""

from typing import Final

__all__ = ("CLAUSES", "NOT_CHECKED")

CLAUSES: Final = {
    "B1": "`kind` is 'descriptor' or 'self-waiting', and the methods are of that kind",
    "B2": "`path` is the path that was opened",
    "B3": "`is_open` says whether the port is held",
    "B4": "`open` is all or nothing",
    "B5": "`open` applies the settings, and `actual_baudrate` is the rate or None",
    "B6": "`capabilities` can be read before the port is open",
    "B7": "what `capabilities` calls unsupported raises UnsupportedFeatureError, and what it calls supported works",
    "B8": "a failure is a SerialError with errno and path",
    "B9": "a device that is gone is a SerialDisconnectedError, from whichever call notices it",
    "B10": "`configure` that fails leaves the settings from before in force",
    "B11": "every byte arrives, unchanged and in order, in both directions",
    "B12": "`reset_input_buffer` discards input that was not read, and nothing after it",
    "B13": "`set_control_lines` sets the lines that are not None and leaves the others",
    "B14": "`configure` keeps the input that was not read",
    "B15": "a break is held until it is released, and `close` or `aclose` releases it",
    "D1": "`read` returns 1..max_bytes bytes, or None if there is nothing; never b''",
    "D2": "`read_into` returns how many bytes it wrote to the buffer, or None",
    "D3": "`write` returns how many bytes were taken, at least 1, or None",
    "D4": "`read`, `read_into`, `write` and the queries never block",
    "D5": "`fileno` is readable as long as there is input; it raises SerialClosedError if the port is not open",
    "D6": "`hung_up` tells, without reading, whether the device is gone",
    "D7": "`input_waiting` counts the input and does not consume it",
    "D8": "`drain` and `transmitter_empty` agree with an empty output queue",
    "D9": "`close` closes the descriptor, discards no output, and does not raise if the device is gone",
    "D10": "`line_decoder` gives back the bytes however the reads are split",
    "D11": "`read_onto` and `write_onto`, if there, do what `read` and `write` do",
    "D12": "calls that may block may run on other threads, beside the non-blocking ones",
    "D13": "`read`, `read_into`, `write` and the queries are one system call each",
    "S1": "`receive` waits, and returns 1..max_bytes bytes as soon as any have arrived",
    "S2": "a cancelled `receive` loses no byte",
    "S3": "`send` returns how many bytes were taken, at least 1",
    "S4": "`input_waiting` and `output_waiting` are plain functions, and do not block",
    "S5": "`aclose` releases the port, even if it is cancelled",
    "S6": "`aclose` ends a `receive` under way with an error",
    "S7": "`drain` and `drain_exact` wait until `output_waiting` is 0",
    "S8": "a cancelled `open` leaves nothing open",
    "S9": "every coroutine can be cancelled at any of its awaits",
}
"""What each clause asks for."""

NOT_CHECKED: Final = {
    "B15": "only the other end of a line can see a break, and no other end has to tell",
    "D13": "the number of system calls cannot be seen from inside the process",
    "S9": "a foreign await cannot be stopped at; S2, S5 and S8 check those that lose something",
}
"""The clauses that no check can see, and why."""
