"""Documents are read strictly, all faults at once, and written in one fixed form."""

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.documents import (
    KINDS,
    Carrier,
    Document,
    Enterprise,
    Fault,
    Meter,
    MetricError,
    canonical,
    load_document,
    parse_document,
    parse_metric,
)
from schemas.documents.fields import duration_ms

GOOD = sorted((Path(__file__).parent.parent / "registry" / "good").glob("*.yaml"))
EVERY = [raw for path in GOOD for raw in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
METER = {
    "carrier": "electricity",
    "type": "interval",
    "unit": "kWh",
    "resolution": "0.01",
    "step": "1h",
    "role": "input",
}


def meter(**spec: Any) -> dict[str, Any]:
    raw = {"apiVersion": "qingyu/v1", "kind": "meter", "id": "works.e01", "valid_from": "2018-01-01"}
    return {**raw, "spec": {**METER, **spec}}


def parsed(raw: Any) -> Document:
    found = parse_document(raw)
    assert not isinstance(found, list), found
    return found


def faults(raw: Any) -> list[Fault]:
    found = parse_document(raw)
    assert isinstance(found, list)
    return found


def test_the_kinds_are_those_that_are_read_somewhere() -> None:
    assert set(KINDS) == set(
        [
            "province",
            "city",
            "county",
            "park",
            "industry",
            "list",
            "measurement",
            "certificate",
            "allocation",
            "enterprise",
            "source",
            "meter",
            "exchange",
            "outage",
            "stop",
            "carrier",
            "release",
            "product",
            "reported",
            "indicator",
            "limit",
            "rule",
            "settings",
            "target",
            "season",
            "profile",
            "validation",
            "key",
            "recipient",
            "route",
            "roster",
            "escalation",
            "sms",
            "template",
        ]
    )


@pytest.mark.parametrize("raw", EVERY, ids=lambda raw: f"{raw['kind']}-{raw['id']}")
def test_a_document_is_read_back_as_it_was_written(raw: dict[str, Any]) -> None:
    document = parsed(raw)
    written = canonical(document)
    assert load_document(written) == document
    assert load_document(written, document.kind) == document
    assert canonical(load_document(written)) == written


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    (fault,) = faults({"apiVersion": "qingyu/v1", "kind": "clock", "id": "x"})
    assert fault.code == "unknown_kind"
    assert "'clock' is not known: the kinds are province, city," in fault.message


def test_all_faults_of_a_document_are_named_at_once() -> None:
    raw = {**meter(type="clock", unit="kWq", resolution=0.01, colour="red", source=[{"from": "2018-02-30", "id": "X"}])}
    raw |= {"valid_to": "2017-01-01", "id": "works", "apiVersion": "qingyu/v2", "more": 1}
    assert {(fault.path, fault.code) for fault in faults(raw)} == {
        ("apiVersion", "bad_value"),
        ("id", "bad_id"),
        ("valid_to", "empty_range"),
        ("more", "unknown_field"),
        ("spec.type", "unknown_type"),
        ("spec.unit", "bad_unit"),
        ("spec.resolution", "inexact_number"),
        ("spec.colour", "unknown_field"),
        ("spec.source.0.from", "bad_value"),
        ("spec.source.0.id", "bad_id"),
    }


def test_a_clock_is_refused_with_the_types_there_are() -> None:
    (fault,) = faults(meter(type="clock"))
    assert fault.message == "meter type 'clock' is not known: the types are register, interval, gauge"


@pytest.mark.parametrize("value", ["0.01", 1, "12345678901234567890.5"])
def test_an_exact_number_is_text_or_whole(value: object) -> None:
    document = parsed(meter(max_rate_per_h=value))
    assert isinstance(document, Meter)
    assert document.spec.max_rate_per_h == Decimal(str(value))


@pytest.mark.parametrize(
    "value", [0.1, 1.0, float("nan"), float("inf"), True, "1e3", "NaN", "0x10", " 1", "1_0", "", []]
)
def test_a_number_that_may_not_be_exact_is_refused(value: object) -> None:
    assert {fault.path for fault in faults(meter(max_rate_per_h=value))} == {"spec.max_rate_per_h"}


def test_a_small_decimal_is_written_without_an_exponent() -> None:
    document = parsed(meter(tolerance="0.000000100"))
    assert b'"tolerance":"0.000000100"' in canonical(document)


def test_a_day_may_be_a_date_of_yaml_or_text_of_json() -> None:
    assert parsed({**meter(), "valid_from": dt.date(2018, 1, 1)}) == parsed(meter())
    assert faults({**meter(), "valid_from": dt.datetime(2018, 1, 1, 8, tzinfo=dt.UTC)})[0].path == "valid_from"


def test_leaving_a_territory_is_written_as_null_and_kept() -> None:
    raw = {"apiVersion": "qingyu/v1", "kind": "enterprise", "id": "e", "valid_from": "2018-01-01"}
    document = parsed({**raw, "spec": {"park": [{"from": "2018-01-01", "id": None}]}})
    assert isinstance(document, Enterprise)
    assert b'"park":[{"from":"2018-01-01","id":null}]' in canonical(document)
    assert faults({**raw, "spec": {"park": [{"from": "2018-01-01"}]}})[0] == Fault(
        "spec.park.0.id", "missing", "this field is needed"
    )


def test_a_document_does_not_change() -> None:
    document = parsed(next(raw for raw in EVERY if raw["kind"] == "carrier"))
    assert isinstance(document, Carrier)
    with pytest.raises(ValueError, match="frozen"):
        document.spec.unit = "MWh"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "raw", [None, [], "text", 1, {1: 2}, {"kind": ["meter"]}, {"kind": "meter", "spec": {1: object()}}]
)
def test_what_is_no_document_is_answered_with_a_fault(raw: object) -> None:
    assert all(fault.code for fault in faults(raw))


def test_a_document_that_contains_itself_is_answered_with_a_fault() -> None:
    raw = meter()
    raw["spec"]["name"] = raw
    assert faults(raw)[0].code == "bad_value"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_json_schema(kind: str) -> None:
    schema = KINDS[kind].model_json_schema()
    assert schema["properties"]["kind"]["const"] == kind
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "carrier", "product", "unit"),
    [
        ("qty.raw-coal", "raw-coal", None, "kg"),
        ("qty.raw-coal.estimated", "raw-coal", None, "kg"),
        ("output.crude-steel", None, "crude-steel", "t"),
        ("time.expected.raw-coal", "raw-coal", None, "s"),
        ("energy.cv.estimated", None, None, "kgce"),
        ("co2.heat", None, None, "kgCO2"),
        ("qty.peat", "peat", None, None),
    ],
)
def test_a_metric_names_what_it_depends_on(
    text: str, carrier: str | None, product: str | None, unit: str | None
) -> None:
    metric = parse_metric(text)
    assert (metric.carrier, metric.product) == (carrier, product)
    assert metric.unit({"raw-coal": "kg"}, {"crude-steel": "t"}) == unit


@pytest.mark.parametrize(
    "text", ["", "qty", "qty.", "qty.X", "energy", "co2.waste", "time.missing.coal", "ind.x", "qty.a.b"]
)
def test_what_is_no_additive_metric_is_refused(text: str) -> None:
    with pytest.raises(MetricError, match=re.escape(repr(text))):
        parse_metric(text)


@pytest.mark.parametrize(("text", "ms"), [("60s", 60_000), ("15min", 900_000), ("2h", 7_200_000), ("10d", 864_000_000)])
def test_a_length_of_time_is_read(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@given(st.decimals(min_value=Decimal("0.000000001"), max_value=10**15, places=9))
def test_a_decimal_keeps_every_digit(value: Decimal) -> None:
    text = format(value, "f")
    document = parsed(meter(max_rate_per_h=text))
    assert isinstance(document, Meter)
    assert f'"max_rate_per_h":"{text}"'.encode() in canonical(document)
