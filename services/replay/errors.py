"""An error of replay or explain says why nothing could be told, and what to do."""


class ReplayError(Exception):
    """Nothing was compared: Kafka, the store or the registry does not give what is needed; the text says which."""


class AskedWrongError(ReplayError):
    """What was asked for does not exist: an entity, a metric, a window, a file."""
