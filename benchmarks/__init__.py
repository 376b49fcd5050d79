"""anyserial measured beside its peers: `uv run python -m benchmarks`. docs/performance.md says what it found."""
