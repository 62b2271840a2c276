"""Replay: the readings folded once more, beside the installation that runs, and held against what it says."""
