"""The real year of the steel works through the pure fold: shuffled, repeated, re-batched, and as a register."""

import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from schemas.messages import Batch
from tests import independent
from tests.folding import REGISTRY, Disk, Stream, document, documents, instant, message, meter, tick
from tests.independent import Reading, Worth

# A year is long for a machine that other tests keep busy.
pytestmark = pytest.mark.timeout(400)

METRICS = ("qty.electricity", "energy.cv", "energy.eq", "co2.total")
POSTED_MS = instant("2019-02-01")
QUARTER_DAYS = 90


def posted(readings: Iterable[Reading], chance: random.Random) -> Iterator[bytes]:
    """Yield messages of all readings, shuffled and some of them twice, each of a few batches."""
    received = POSTED_MS
    sendings = independent.sendings(readings, chance)
    while parts := list(islice(sendings, chance.randint(1, 3))):
        batches: list[Batch] = []
        for part in parts:
            received += chance.randint(0, 5000)
            counts: list[int | None] = [int(each.kwh.scaleb(2)) for each in part]
            times = [each.t_ms for each in part]
            batches.append(Batch("b", "works-gw1", received, ["e01"], [2], [0] * len(part), times, counts))
        yield message(*batches)


def feed(stream: Stream, readings: Iterable[Reading], chance: random.Random) -> None:
    """Post readings in steps of any length, with ticks of the year and after it in between."""
    waiting: list[bytes] = []
    now = instant("2018-01-02")
    for each in posted(readings, chance):
        waiting.append(each)
        if chance.random() < 0.1:
            now += chance.randint(0, 20 * 24 * independent.HOUR_MS)
            waiting.append(tick(now))
        if chance.random() < 0.4:
            stream.step(*waiting)
            waiting = []
    stream.step(*waiting, tick(max(now, instant("2019-06-01"))))


def differences(stream: Stream, wanted: dict[str, dict[str, Worth]]) -> list[tuple[str, str, Decimal | None, Decimal]]:
    """Return every window and metric in which the stream's totals are not what is wanted."""
    return [
        (name, metric, got, worth)
        for windows in wanted.values()
        for name, worths in windows.items()
        for metric, worth in zip(METRICS, worths, strict=True)
        if (got := stream.value(metric, name)) != worth
    ]


def test_a_quarter_of_the_steel_year_shuffled_and_repeated_is_equal_to_the_last_digit(tmp_path: Path) -> None:
    # The whole year goes the whole way, through gateway and Kafka, in tests/endtoend.
    stream = Stream(documents(REGISTRY, meter("e01")), Disk(tmp_path / "state"))
    feed(stream, independent.steel_quarters()[: 96 * QUARTER_DAYS], random.Random(851))
    assert differences(stream, beginning("2018-01", "2018-02", "2018-03", "2018-Q1")) == []
    assert stream.rejected == []
    assert stream.value("qty.electricity.estimated", "2018-Q1") == 0
    seconds = QUARTER_DAYS * 24 * Decimal(3600)
    assert [stream.value(f"time.{each}.electricity", "2018-Q1") for each in ("measured", "expected")] == [seconds] * 2


def beginning(*names: str) -> dict[str, dict[str, Worth]]:
    """Return what the independent calculation has of the windows whose names begin so."""
    return {
        kind: {name: worth for name, worth in found.items() if name.startswith(names)}
        for kind, found in independent.steel_year().items()
    }


def test_the_check_notices_one_reading_that_is_missing(tmp_path: Path) -> None:
    stream = Stream(documents(REGISTRY, meter("e01")), Disk(tmp_path / "state"))
    whole = independent.steel_quarters()[: 96 * 31]
    feed(stream, whole[:1000] + whole[1001:], random.Random(1))
    wrong = {name for name, *_ in differences(stream, beginning("2018-01"))}
    end = whole[1000].t_ms - independent.QUARTER_MS
    assert wrong == {independent.local_name(end, kind) for kind in ("hour", "day", "month")}


def test_the_year_as_a_register_with_gaps_and_measured_factors_is_right_to_the_last_digit(tmp_path: Path) -> None:
    # Shares of time have six decimals, so products with five more are rounded in nearly every hour.
    measured = document(
        "measurement", "works-power", enterprise="works", carrier="electricity", cv_kgce="0.12287", eq_kgce="0.30243",
        factors=[{"gas": "co2", "scope": "power", "kg": "0.58391"}], source="supplier, measured",
    )  # fmt: skip
    stream = Stream(documents(REGISTRY, measured, meter("e01", "register")), Disk(tmp_path / "state"))
    feed(stream, independent.register_readings(), random.Random(2018))
    factors = Decimal("0.12287"), Decimal("0.30243"), Decimal("0.58391")
    assert differences(stream, independent.register_year(factors)) == []
    assert {
        day: stream.value("qty.electricity", day) for day in independent.register_days()
    } == independent.register_days()
    total = sum((each.kwh for each in independent.steel_quarters()), Decimal(0))
    assert stream.value("qty.electricity", "2018") == total
    seconds = [stream.value(f"time.{each}.electricity", "2018") for each in ("expected", "measured", "estimated")]
    assert seconds == [Decimal(each) / 1000 for each in independent.covered_by_register()["year"]["2018"]]
    estimated = independent.register_estimated()["year"]["2018"].kwh
    assert stream.value("qty.electricity.estimated", "2018") == estimated


@pytest.mark.parametrize("seed", [1, 2])
def test_a_month_in_any_order_ends_in_the_same_documents(tmp_path: Path, seed: int) -> None:
    registered = documents(REGISTRY, meter("e01"))
    month = independent.steel_quarters()[: 96 * 31]
    one = Stream(registered, Disk(tmp_path / "one"))
    feed(one, month, random.Random(seed))
    other = Stream(registered, Disk(tmp_path / "other"))
    feed(other, month, random.Random(seed + 100))
    ms = instant("2020-01-01")
    one.step(tick(ms))
    other.step(tick(ms))
    january = {key for key in one.totals if "|2018-01" in key}
    assert january == {key for key in other.totals if "|2018-01" in key}
    assert {key: one.totals[key].metrics for key in january} == {key: other.totals[key].metrics for key in january}
