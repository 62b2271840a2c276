"""The proof of faults: a town under load, faults of many kinds, and what must be the same after each of them."""
