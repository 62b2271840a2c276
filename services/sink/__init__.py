"""The sink: what was said in topics, written to the series store."""
