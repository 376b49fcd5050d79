"""An open port, independent of any event loop: the base of the async and the blocking face.

Begin with `open_port`, which names the parts, and `lifecycle`, which says what happens to every call
when a port is closed, unplugged, forked or forgotten. Each face has an `OpenPort` and adds two things: how
it waits for the descriptor, and a runner around the `engine` that makes an operation's calls.

No code belongs here.
"""
