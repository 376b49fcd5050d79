"""Print what is installed here, as JSON: the distribution's name, as the package index spells it, to its version."""

import json
from importlib.metadata import distributions

print(json.dumps({found.name.lower().replace("_", "-"): found.version for found in distributions()}))
