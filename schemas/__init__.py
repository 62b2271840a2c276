"""The contracts: ids, windows, messages, topics, registry documents, settings and series. Nothing here does I/O."""
