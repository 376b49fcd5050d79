"""pynmea2 parses what a receiver sends, read as text through Python's own buffers."""

import io
import sys

import pynmea2
import serial

with serial.Serial(sys.argv[1], 9600, timeout=0.1) as port:
    text = io.TextIOWrapper(io.BufferedRWPair(port, port), newline="\r\n")
    text.write("position?\r\n")
    text.flush()
    while not (line := text.readline()):
        pass
    sentence = pynmea2.parse(line.strip())
    print(serial.__name__, sentence.num_sats, sentence.altitude)
    text.detach()
