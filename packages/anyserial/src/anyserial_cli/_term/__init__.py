"""The parts of ``anyserial term``.

What is serial in a terminal does no I/O and is tested as tables: `_newlines`, `_hex`, `_stamps`,
`_escapes`, `_view`, `_keys`, `_pacing`, `_settings`. The others own one thing each: the user's terminal
(`_tty`), what is printed (`_display`), the log (`_log`), the port (`_openings`), questions (`_asking`).
`_session` puts them together.
"""
