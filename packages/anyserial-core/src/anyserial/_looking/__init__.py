"""Looking at a port that is in use, and sharing it: the implementation behind `anyserial.tap`.

Only the package belongs here, no code.
"""
