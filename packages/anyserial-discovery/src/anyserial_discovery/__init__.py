"""Finding serial ports and watching them come and go: the implementation behind ``anyserial.discovery``."""
