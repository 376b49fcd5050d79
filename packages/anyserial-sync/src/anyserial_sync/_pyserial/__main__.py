"""``python -m serial``: pySerial's terminal."""

from anyserial_sync._pyserial.tools.miniterm import main

if __name__ == "__main__":
    main()
