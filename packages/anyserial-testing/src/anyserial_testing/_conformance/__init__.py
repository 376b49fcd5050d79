"""Checks whether a backend keeps the contract of ``anyserial.backend``. Only names belong here."""

from anyserial_testing._conformance.running import check_backend
from anyserial_testing._conformance.subject import BackendBench, BackendReport, CheckResult, ConformanceError, Maybe

__all__ = ("BackendBench", "BackendReport", "CheckResult", "ConformanceError", "Maybe", "check_backend")
