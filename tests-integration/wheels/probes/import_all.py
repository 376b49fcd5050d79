"""Import every module of core and print, as JSON, what each one that fails says."""

import importlib
import json
import pkgutil

import anyserial

failures: dict[str, str] = {}
for module in pkgutil.walk_packages(anyserial.__path__, "anyserial."):
    if module.name == "anyserial.__main__":
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as exc:
        failures[module.name] = str(exc)
print(json.dumps(failures))
