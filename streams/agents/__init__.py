"""Faust agents: they decode, call the domain, and hand a step's records over."""
