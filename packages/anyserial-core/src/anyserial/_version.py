"""The version, one literal for all packages; `tools/set_version.py` rewrites it.

Nothing else belongs here.
"""

__all__ = ("__version__",)

__version__ = "0.3.0"
