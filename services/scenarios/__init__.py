"""Scenarios: stories of the field in YAML, read, told to the computation, and held against what they expect."""
