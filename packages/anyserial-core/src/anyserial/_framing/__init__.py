"""Framing: what turns a stream of bytes into frames. The public names are in `anyserial.framing`.

Each framing is an object without I/O in a module of its own. `decoder` keeps one framing with the frames that
wait to be taken, for both faces; `exchange` says what an exchange does, as steps; `stream` is the async face.
No code belongs here.
"""
