"""The version, one literal for all packages; `tools/set_version.py` rewrites it."""

__all__ = ("__version__",)

__version__ = "0.3.0"
