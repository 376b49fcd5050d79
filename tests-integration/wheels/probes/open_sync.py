"""Open a pty by its path with the blocking API and exchange a line over it."""

import os

from anyserial.sync import SerialPort

far, near = os.openpty()
with SerialPort.open(os.ttyname(near), baudrate=57600) as port:
    port.send(b"ping\n", timeout=10)
    assert os.read(far, 64) == b"ping\n"
    os.write(far, b"pong\n")
    assert port.receive(64, timeout=10) == b"pong\n"
    try:
        port.receive(64, timeout=0)
    except TimeoutError as exc:
        print(type(exc).__name__)
os.close(near)
os.close(far)
