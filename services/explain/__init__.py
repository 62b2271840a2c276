"""Explain: the tree behind one number, down to the readings, and evidence of it that needs no software of ours."""
