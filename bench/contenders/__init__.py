"""Contenders of the throughput bench: programs that take in the same readings and must come to the same results."""
