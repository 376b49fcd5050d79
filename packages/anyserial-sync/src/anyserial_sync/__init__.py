"""Blocking ports: the implementation behind ``anyserial.sync``."""
