"""The stores: series for readers, and the local copy of the workers' state."""
