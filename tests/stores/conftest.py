"""The stores that the shared suites run on: the embedded file, and a real InfluxDB with buckets of the test alone."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.settings import Settings
from streams.stores.opening import open_store
from streams.stores.series import Store
from tests.influx_buckets import influx_settings, removing

Reopen = Callable[[], Store]


@pytest.fixture(params=["embedded", "influx"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Open the one store of this test once more, as another process would."""
    with contextlib.ExitStack() as stack:
        settings = Settings(store=str(tmp_path / "series.sqlite"))
        if request.param == "influx":
            settings = influx_settings(request.getfixturevalue("influx"), tmp_path)
            stack.enter_context(removing(settings))

        def again() -> Store:
            found = open_store(settings)
            stack.callback(found.close)
            return found

        yield again


@pytest.fixture
def store(reopen: Reopen) -> Store:
    """A new, empty series store."""
    found = reopen()
    found.drop_all()
    return found
