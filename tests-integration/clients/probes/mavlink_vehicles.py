"""Two ends of MAVLink at two crossed ports: a heartbeat one way, and after a change of rate a command back."""

import sys

import serial
from pymavlink import mavutil

one, other = sys.argv[1:]
station = mavutil.mavlink_connection(one, baud=57600, source_system=7)
vehicle = mavutil.mavlink_connection(other, baud=57600, source_system=8)
station.mav.heartbeat_send(mavutil.mavlink.MAV_TYPE_GCS, 0, 0, 0, 0)
heartbeat = vehicle.wait_heartbeat(timeout=10)
assert heartbeat is not None
for end in (station, vehicle):
    end.set_baudrate(115200)
vehicle.mav.command_long_send(7, 0, 400, 0, 1, 0, 0, 0, 0, 0, 0)
command = station.recv_match(type="COMMAND_LONG", blocking=True, timeout=10)
assert command is not None
print(serial.__name__, heartbeat.get_srcSystem(), command.command)
station.close()
vehicle.close()
