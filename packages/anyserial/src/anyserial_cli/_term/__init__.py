"""The parts of ``anyserial term``.

What is serial in a terminal does no I/O and is tested as tables: `_newlines`, `_hex`, `_stamps`,
`_escapes`, `_view`, `_keys`, `_pacing`, `_settings`, `_script`, `_protocols`, `_profiles`. The others own one
thing each: the arguments (`_arguments`), which port and profile (`_choosing`, `_picker`), the user's terminal
(`_tty`), what is printed (`_display`), the log (`_log`), the port (`_openings`), questions (`_asking`), files
(`_transfer`), scripts (`_running`). `_session` puts them together; `_command` and `_expect` are the two commands.
"""
