"""The computation without its surroundings: pure functions, one noun of the field a module."""
