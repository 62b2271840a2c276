"""Fuzzing the decoders: whatever bytes come, nothing but the errors that a decoder declares leaves it."""
