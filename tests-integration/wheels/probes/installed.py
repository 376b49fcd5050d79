"""Print what is installed here, as JSON: distribution name to version."""

import json
from importlib.metadata import distributions

print(json.dumps({found.name: found.version for found in distributions()}))
