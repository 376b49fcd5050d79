"""List the ports of this machine, whatever they are."""

import anyio
from anyserial import list_serial_ports

ports = anyio.run(list_serial_ports)
assert all(port.device for port in ports)
print("listed")
