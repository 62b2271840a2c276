"""Benches measure, with a control in the same run; they are never part of the tests."""
