"""The stores that the shared suite runs on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.stores.embedded import EmbeddedStore


@pytest.fixture(params=["embedded"])
def reopen(tmp_path: Path) -> Iterator[Callable[[], EmbeddedStore]]:
    """Open the one store of this test once more, as another process would."""
    opened: list[EmbeddedStore] = []

    def again() -> EmbeddedStore:
        opened.append(EmbeddedStore(tmp_path / "series.sqlite", limit_s=10))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Callable[[], EmbeddedStore]) -> EmbeddedStore:
    """A new, empty series store."""
    found = reopen()
    found.drop_all()
    return found
