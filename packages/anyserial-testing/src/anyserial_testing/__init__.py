"""Mock ports and fault plans: the implementation behind ``anyserial.testing``."""
