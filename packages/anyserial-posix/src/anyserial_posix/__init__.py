"""The termios driver behind ``anyserial.open_serial_port`` on Linux, macOS and the BSDs."""
