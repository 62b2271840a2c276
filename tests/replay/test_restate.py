"""`qingyu restate` says what another release would move, and the pin it writes makes exactly that happen."""

import json
from typing import Any

import pytest

from schemas.decimals import MICRO
from schemas.documents import DocumentKey
from services.replay.errors import AskedWrongError
from services.replay.restating import moves_of, pinned, years_of
from streams.domain.registry import Snapshot
from tests.folding import REGISTRY, Stream, batch, document, documents, message, meter, tick
from tests.replay.conftest import Running

RESTATED = document(
    "release", "demo-restated", restates="demo-2018",
    coefficients=[{"carrier": "electricity", "cv_kgce": "0.1229", "eq_kgce": "0.31", "source": "demo"}],
    factors=[{"carrier": "electricity", "gas": "co2", "kg": "0.58391", "scope": "power", "source": "demo"}],
)  # fmt: skip
REGISTERED = documents(REGISTRY, RESTATED, meter("e01", step="1h"))


def stream_under(registered: list[Any]) -> Stream:
    stream = Stream(registered)
    rows = [("e01", f"2018-{month}-02T09:00", "100") for month in ("03", "04")]
    stream.step(tick("2018-03-01"), message(batch(rows)), tick("2018-05-01"))
    return stream


def test_what_would_move_is_told_by_period_the_year_first() -> None:
    restatement = pinned(Snapshot.build(1, REGISTERED), "demo-restated", [2018])
    now = stream_under(REGISTERED).totals["enterprise/works|2018"]
    then = stream_under(list(restatement.snapshot.documents.values())).totals["enterprise/works|2018"]
    found = [(each.window, each.metric, each.now, each.then) for each in moves_of(now, then)]
    assert [each for each in found if each[0] != "2018-04"] == [
        ("2018", "co2.power", 120 * MICRO, 116_782_000),
        ("2018", "co2.total", 120 * MICRO, 116_782_000),
        ("2018", "energy.eq", 60 * MICRO, 62 * MICRO),
        ("2018-03", "co2.power", 60 * MICRO, 58_391_000),
        ("2018-03", "co2.total", 60 * MICRO, 58_391_000),
        ("2018-03", "energy.eq", 30 * MICRO, 31 * MICRO),
    ]


def test_what_would_move_of_other_gases_is_told_too() -> None:
    def under(gwp: str) -> Any:
        release = document(
            "release", "demo-2018", gwp=gwp,
            coefficients=[{"carrier": "electricity", "cv_kgce": "0.1229", "eq_kgce": "0.3", "source": "demo"}],
            factors=[{"carrier": "electricity", "gas": "ch4", "kg": "0.1", "scope": "power", "source": "demo"}],
        )  # fmt: skip
        return stream_under(documents(REGISTRY, release, meter("e01", step="1h"))).totals["enterprise/works|2018"]

    found = {each.metric for each in moves_of(under("AR5"), under("AR6"))}
    assert found == {"co2e.ch4"}


def test_the_pin_moves_settled_numbers_and_says_which_registry_did() -> None:
    stream = stream_under(REGISTERED)
    stream.step(tick("2018-12-01"))
    restatement = pinned(Snapshot.build(1, REGISTERED), "demo-restated", [2018])
    stream.register(list(restatement.snapshot.documents.values()), 2)
    assert stream.revised("energy.eq", "2018-03") == [(30, 31)]
    (cause,) = [each.cause for each in stream.revisions if (each.metric, each.start) == ("energy.eq", "2018-03")]
    assert cause.registry == 2


def test_a_pin_takes_the_place_of_one_for_the_same_year() -> None:
    first = pinned(Snapshot.build(1, REGISTERED), "demo-2018", [2018, 2019])
    second = pinned(first.snapshot, "demo-restated", [2019])
    reporting = second.settings["spec"]["reporting"]
    assert reporting == [{"year": 2018, "release": "demo-2018"}, {"year": 2019, "release": "demo-restated"}]
    assert DocumentKey("settings", "default") in second.snapshot.documents


def test_years_are_those_of_the_release_up_to_now() -> None:
    assert years_of(Snapshot.build(1, REGISTERED), "demo-restated", 2020) == (2018, 2019, 2020)


def test_a_release_that_is_not_there_is_wrong_use() -> None:
    with pytest.raises(AskedWrongError, match="release/none is not registered"):
        pinned(Snapshot.build(1, REGISTERED), "none", [2018])


def test_the_command_folds_the_topic_and_writes_nothing(running: Running) -> None:
    result = running.qingyu("restate", "--release", "demo-2018", "--year", "2026", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["moves"], told["version"]) == (0, None)
    missing = running.qingyu("restate", "--release", "none")
    assert missing.exit_code == 2
