"""Opening is the one place that decides which series store an installation has."""

from schemas.settings import Settings
from streams.stores.embedded import EmbeddedStore
from streams.stores.series import Store


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name; nothing is written before it is used."""
    if settings.store == "influx":
        # Who keeps an embedded file has no use for its libraries.
        from streams.stores.influx import InfluxStore

        return InfluxStore(settings)
    return EmbeddedStore(settings.store_path)
