"""Whether an alarm is shown says the same as the notifier does: a silent source stands for its meters."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import asdict

from schemas.messages import AlarmEvent, Condition
from schemas.settings import Settings
from services.api.desk import Desk
from streams.domain.handling import Visibility
from streams.domain.registry import Snapshot
from streams.stores.embedded import EmbeddedStore
from tests.folding import documents
from tests.notifier.telling import BEGIN_MS, METER, SILENT, SOURCE, about


def stands(event: AlarmEvent) -> Condition:
    facts = asdict(event)
    return Condition(**{name: facts[name] for name in Condition.__struct_fields__})


def test_a_meters_silence_is_inhibited_while_its_source_is_silent(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store.sqlite")
    desk = Desk(Settings(data=tmp_path), store)
    reader = cast("Any", SimpleNamespace(snapshot=Snapshot.build(1, documents(SILENT)), at_ms=BEGIN_MS))
    meter, source = stands(about(METER)), stands(about(SOURCE))
    store.keep([], [meter], [])
    assert desk.seen(meter, reader).visibility is Visibility.SHOWN
    store.keep([], [source], [])
    found = desk.seen(meter, reader)
    assert (found.visibility, found.because) == (Visibility.INHIBITED, source.id)
    assert desk.seen(source, reader).visibility is Visibility.SHOWN
    store.keep([], [stands(about(SOURCE, 2, "ok"))], [])
    assert desk.seen(meter, reader).visibility is Visibility.SHOWN
    store.close()
