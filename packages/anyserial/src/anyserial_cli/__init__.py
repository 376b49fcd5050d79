"""The ``anyserial`` command."""
