"""The demo's city in a real InfluxDB, once for all tests of dashboards."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.influx import ForeignInflux, LocalInflux
from schemas.series import Point
from streams.stores.influx import InfluxStore
from streams.stores.influx_admin import InfluxAdmin
from tests.dashboards import seeding
from tests.dashboards.asking import Asker
from tests.influx_buckets import influx_settings, removing

Write = Callable[[list[Point]], None]


@pytest.fixture(scope="session")
def city_store(influx: LocalInflux | ForeignInflux, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxStore]:
    """A store that holds what the sink writes of the city's days."""
    settings = influx_settings(influx, tmp_path_factory.mktemp("city"))
    with removing(settings):
        store = InfluxStore(settings)
        store.drop_all()
        for points in seeding.points():
            store.write(points)
        yield store
        store.close()


@pytest.fixture(scope="session")
def write(city_store: InfluxStore) -> Write:
    """Put more points in."""
    return city_store.write


@pytest.fixture(scope="session")
def asker(city_store: InfluxStore) -> Iterator[Asker]:
    """Ask with a token that may only read."""
    settings = city_store._settings
    token = InfluxAdmin(settings).token("dashboards", write=False)
    found = Asker(settings.influx, token, settings.influx_prefix)
    yield found
    found.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files as the code makes them."""
    from dashboards.files import write as write_files

    folder = tmp_path_factory.mktemp("dashboards")
    write_files(folder)
    return folder
