"""The tools of pySerial: listing ports, and the terminal."""
