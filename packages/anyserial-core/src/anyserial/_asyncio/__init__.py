"""A serial port as an asyncio transport, with the names of pyserial-asyncio.

Begin with `transport`, which reads and writes, and `ending`. `connecting` opens ports and makes transports of them,
`keywords` reads pySerial's keywords, `channel` and `tasks` wait for the device, and `output` holds what the kernel did
not take. `serial_object` is what `SerialTransport.serial` returns, and `performing` carries out what it is asked.

No code belongs here.
"""
