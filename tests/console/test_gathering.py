"""What pages read from the store, beside each other."""

import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.windows import WindowKind
from services.console.gathering import gather_slow
from services.console.subject import Subject, subject_of
from streams.stores.embedded import EmbeddedStore
from streams.stores.series import WindowPoint
from tests.console.city import CITY, COUNTY, NOW_MS, STEEL, city_documents
from tests.registry_writing import snapshot_of

LONG_S = 0.2


class CountingStore(EmbeddedStore):
    """A store that takes long for the meters of an hour, and knows how many wait for them at once."""

    most = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._asked = 0
        self._counting = threading.Lock()

    def cross_section(
        self, window: WindowKind, start_ms: int, entities: Collection[str], metrics: Collection[str]
    ) -> dict[tuple[str, str], WindowPoint]:
        if window != "hour":
            return super().cross_section(window, start_ms, entities, metrics)
        with self._counting:
            self._asked += 1
            self.most = max(self.most, self._asked)
        time.sleep(LONG_S)
        with self._counting:
            self._asked -= 1
        return super().cross_section(window, start_ms, entities, metrics)


@pytest.fixture(scope="module")
def subjects() -> dict[str, Subject]:
    snapshot = snapshot_of(city_documents())
    return {one: subject_of(snapshot, one, NOW_MS) for one in (CITY, COUNTY, STEEL)}


@pytest.mark.parametrize(("pages", "most"), [((CITY, COUNTY), 1), ((CITY, STEEL), 2)])
def test_of_pages_of_places_one_at_a_time_looks_through_the_meters_and_no_enterprise_waits_for_it(
    pages: tuple[str, ...], most: int, subjects: dict[str, Subject], tmp_path: Path
) -> None:
    assert all(subjects[page].meters for page in pages)
    store = CountingStore(tmp_path / "series.sqlite")
    store.write([])
    with ThreadPoolExecutor(len(pages)) as threads:
        found = threads.map(lambda page: gather_slow(store, subjects[page], NOW_MS, 1.0, None), pages)
    assert all(each.silent for each in found)
    assert store.most == most
