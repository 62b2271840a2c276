"""`qingyu replay` beside a running installation: equal to the last digit, or it says which window is not."""

import csv
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import yaml
from pyarrow.csv import ConvertOptions, read_csv
from pyarrow.parquet import write_table

from schemas.decimals import decimal_text
from schemas.documents import canonical
from schemas.messages import CalendarDocument, encode
from schemas.partitioner import partition_of
from schemas.series import Point
from schemas.topics import TOTALS
from schemas.windows import window
from streams.stores.embedded import EmbeddedStore
from tests.folding import instant
from tests.replay.conftest import BATCHES, BUYERS, ENTERPRISES, HOURS, REGISTERED, Running
from tests.running import send_to, totals, until

DAY = "2026-03-30"
METRIC = "qty.electricity"


def write(running: Running, document: CalendarDocument) -> None:
    """Write a document to topic totals, as nobody but a worker should."""
    partition = partition_of(document.entity, running.settings.partitions)
    key = f"{document.entity}|{document.period}".encode()
    send_to(running.settings, partition, [encode(document)], TOTALS, key)


def altered(document: CalendarDocument, metric: str, place: int, by: int = 1) -> CalendarDocument:
    """Return a document in which one child has another value."""
    values = list(document.metrics[metric])
    values[place] = (values[place] or 0) + by
    return msgspec.structs.replace(document, metrics={**document.metrics, metric: values})


def test_a_stream_in_order_and_the_same_shuffled_with_repeats_are_what_replay_computes(running: Running) -> None:
    told = running.replay()
    assert (told["status"], told["differences"]) == (0, [])
    assert told["windows"]["totals"] > 1000
    assert told["windows"]["store"] > 1000
    territories = ("county", "city", "province")
    assert told["entities"] == len(ENTERPRISES) * (1 + 4) + len(BUYERS) + len(territories)
    assert {each["tick"] for each in told["partitions"].values()} == {"2026-04-02T03:00:00+08:00"}


def test_all_series_of_both_streams_are_equal_value_by_value(running: Running) -> None:
    path = running.folder / "series.sqlite"
    held: dict[str, dict[tuple[Any, ...], Any]] = {"works": {}, "mill": {}}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for window in ("hour", "day", "month", "quarter", "year"):
            query = f'SELECT first, second, "{window}".* FROM "{window}" JOIN series ON series.id = series'
            for entity, metric, _, at_ms, *fields in connection.execute(query):
                enterprise, _, meter = entity.partition("/")[2].partition(".")
                if enterprise in held:
                    # Where nothing is present, the value is what stood there before.
                    held[enterprise][meter, metric, window, at_ms] = fields if fields[1] else [None, *fields[1:]]
    assert len(held["works"]) > 3000
    assert held["mill"] == held["works"]


def test_what_one_meter_measures_is_booked_at_both_across_partitions_and_kills(running: Running) -> None:
    said = totals(running.settings)
    known = 0
    for seller, buyer in BUYERS.items():
        for day in (DAY, "2026-03-31"):
            theirs, mine = (said[f"enterprise/{each}|{day}"].metrics for each in (seller, buyer))
            sold = theirs["qty.steam"]
            assert mine["qty.steam"] == [None if each is None else -each for each in sold]
            for metric in ("time.expected.steam", "time.measured.steam", "time.estimated.steam"):
                assert mine[metric] == theirs[metric]
            known += len(sold) - sold.count(None)
    assert known > HOURS
    told = running.replay("enterprise/dyer", "--against", "totals")
    assert (told["status"], told["differences"]) == (0, [])
    result = running.qingyu("explain", "enterprise/dyer", "co2.heat", f"{DAY}T20")
    assert result.exit_code == 0, result.output
    for text in (
        "+ meter 计量点 works.s01 (sold to it, by the seller's meter 售方计量, interval) = 1650 kg",
        "1650 kg × 0.11 kgCO2/kg = 181.5 exactly",
        "the series says the same 与序列一致",
    ):
        assert text in result.output


def test_one_document_altered_by_one_unit_is_the_one_difference_found(running: Running) -> None:
    document = totals(running.settings)[f"enterprise/works|{DAY}"]
    write(running, altered(document, METRIC, 5))
    told = running.replay("enterprise/works", "enterprise/mill", "--against", "totals")
    write(running, document)
    value = document.metrics[METRIC][5] or 0
    [difference] = told["differences"]
    assert told["status"] == 1
    assert (difference["entity"], difference["metric"], difference["window"]) == (
        "enterprise/works", METRIC, f"{DAY}T05",
    )  # fmt: skip
    assert round((float(difference["series"]) - float(difference["replay"])) * 1e6) == 1
    assert float(difference["replay"]) == value / 1e6


def test_a_point_altered_in_the_store_is_found_and_written_anew_by_rewrite(running: Running) -> None:
    # The sink may still write what another test sent to totals; nothing may come after what is altered here.
    until(running.installation.is_stored, what="all of it stored")
    store = EmbeddedStore(running.folder / "series.sqlite")
    at = window(f"{DAY}T05")
    [point] = store.series("enterprise/works", METRIC, "hour", at.start_ms, at.end_ms)
    stray = window("2026-02-01")
    tags = ("enterprise/works", METRIC)
    store.write(
        [
            Point("hour", tags, at.start_ms, (math.nextafter(point.value or 0, 1e9), *[None] * 6)),
            Point("day", tags, stray.start_ms, (5.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0)),
        ]
    )
    found = running.replay("enterprise/works", "--against", "store")
    assert running.replay("enterprise/works", "--rewrite")["written"] > 100
    after = running.replay("enterprise/works", "--against", "store")
    store.close()
    assert [(each["where"], each["window"]) for each in found["differences"]] == [
        ("store", f"{DAY}T05"), ("store", "2026-02-01"),
    ]  # fmt: skip
    assert (after["status"], after["differences"]) == (0, [])


def test_the_same_readings_from_a_file_give_the_same_numbers(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "works.csv"
    with file.open("w", encoding="utf-8", newline="") as plain:
        rows = csv.writer(plain)
        rows.writerow(("meter", "ts", "value", "rev", "void", "received"))
        for each in BATCHES:
            for place, (meter, t_ms, value) in enumerate(zip(each.i, each.t, each.v, strict=True)):
                text = "" if value is None else decimal_text(value, each.scale[meter])
                rev = each.rev[place] if each.rev else 0
                rows.writerow((f"works.{each.meters[meter]}", t_ms, text, rev, value is None, each.received))
        rows.writerow(("works.e01", instant(f"{DAY}T05:15"), "1.234", 0, False, instant(f"{DAY}T06:00")))
    half = tmp_path / "half.parquet"
    types = {"value": pa.string(), "received": pa.int64()}
    with file.open("rb") as plain:
        write_table(read_csv(plain, convert_options=ConvertOptions(column_types=types)).slice(100), half)
    told = running.replay("enterprise/works", "--against", "totals", "--readings", file, "--readings", half)
    count = sum(len(each.v) for each in BATCHES)
    assert (told["status"], told["differences"]) == (0, [])
    assert told["readings"] == 2 * count - 100
    assert f"2 rows of files cannot be used: {file}:{count + 2}: too_precise" in told["notes"][0]


def test_another_registry_shows_what_it_would_make_of_the_same_readings(running: Running, tmp_path: Path) -> None:
    registry = tmp_path / "registry.yaml"
    raws = [json.loads(canonical(each)) for each in REGISTERED]
    [release] = [each for each in raws if each["kind"] == "release"]
    release["spec"]["factors"][0]["kg"] = "0.5"
    registry.write_text(yaml.safe_dump_all(raws, allow_unicode=True), encoding="utf-8")
    told = running.replay("enterprise/works", "--against", "totals", "--registry", registry)
    assert told["status"] == 1
    assert {each["metric"] for each in told["differences"]} == {"co2.power", "co2.total"}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["enterprise/nobody"], 2, "enterprise/nobody is not registered"),
        (["works"], 2, "'works' is no entity"),
        (["--from", "yesterday"], 2, "'yesterday' names no window"),
        (["--from", "2026-04", "--to", "2026-03"], 2, "lies after"),
        (["--readings", "nowhere.csv"], 2, "nowhere.csv cannot be read"),
        (["meter/works.e01", "--from", "2020", "--to", "2020", "--against", "totals"], 1, "nothing was compared"),
    ],
)
def test_what_cannot_be_compared_is_said(running: Running, arguments: list[str], status: int, says: str) -> None:
    result = running.qingyu("replay", *arguments)
    assert (result.exit_code, says in result.output) == (status, True), result.output
