"""Looking at what goes over the wire, and sharing one port: the public names.

`Tap` works with the async and with the blocking port. `share` is for the async port; its blocking twin is
`anyserial.sync.share`. Only names belong here, no code.
"""

from anyserial._looking.events import TRACE, TapEvent
from anyserial._looking.log import InputLostError
from anyserial._looking.sharing import PortLink, SharedPort, share
from anyserial._looking.tapping import Tap

__all__ = ("TRACE", "InputLostError", "PortLink", "SharedPort", "Tap", "TapEvent", "share")
