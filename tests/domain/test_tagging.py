"""Gross and controlled totals of an hour reconcile, and what the enterprise makes itself counts once."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decimals import MICRO
from streams.domain.account import Metrics
from streams.domain.registry import Snapshot
from streams.domain.tagging import CONTROLLED, controlled
from tests.folding import REGISTRY, Stream, batch, document, documents, message, meter, tick

amounts = st.none() | st.integers(0, 10**12)
GAS = document("carrier", "straw", unit="kg", medium="fuel", renewable=True)


METRICS = [metric for gross, tags in CONTROLLED.values() for metric in (gross, *tags)]


@given(st.dictionaries(st.sampled_from(METRICS), amounts))
def test_the_gross_total_is_what_is_under_control_and_its_parts(metrics: Metrics) -> None:
    for metric, value in controlled(metrics.get).items():
        gross, tags = CONTROLLED[metric]
        whole = metrics.get(gross)
        parts = [part for part in map(metrics.get, tags) if part is not None]
        assert parts
        assert (value is None) is (whole is None)
        if value is not None:
            assert value + sum(parts) == whole


def hour(*meters: str, readings: list[tuple[Any, ...]], more: tuple[str, ...] = ()) -> Metrics:
    """Return the metrics of the hour from 8 on, given the readings of interval meters of an hour."""
    stream = Stream(documents(REGISTRY, *more, *meters))
    stream.step(
        tick("2018-03-01T07:00"), message(batch([(name, "2018-03-01T09:00", value) for name, value in readings]))
    )
    stream.step(tick("2018-03-01T09:01"))
    found = stream.totals["enterprise/works|2018-03-01"]
    return {name: values[8] for name, values in found.metrics.items()}


def test_what_a_renewable_carrier_gives_is_renewable_but_for_what_becomes_a_product() -> None:
    straw = {"carrier": "straw", "unit": "kg", "step": "1h"}
    release = document(
        "release", "demo-2018",
        coefficients=[{"carrier": "straw", "cv_kgce": "0.5", "source": "demo"}],
        factors=[{"carrier": "straw", "gas": "co2", "kg": "0", "scope": "fuel", "source": "demo"}],
    )  # fmt: skip
    found = hour(
        meter("s1", **straw), meter("s2", role="sub", parent="s1", counts_as="feedstock", **straw),
        readings=[("s1", "100"), ("s2", "30")], more=(GAS, release),
    )  # fmt: skip
    parts = [found[f"energy.cv{part}"] for part in ("", ".feedstock", ".renewable", ".controlled")]
    assert parts == [50 * MICRO, 15 * MICRO, 35 * MICRO, 0]


@pytest.mark.parametrize(("exported", "used"), [("0", 40), ("15", 25), ("60", 0)])
def test_own_use_is_what_was_generated_and_did_not_go_out(exported: str, used: int) -> None:
    found = hour(
        meter("e1", step="1h"), meter("e2", step="1h", role="output"),
        meter("pv", step="1h", role="generation", counts_as="renewable"),
        readings=[("e1", "100"), ("e2", exported), ("pv", "40")],
    )  # fmt: skip
    assert found["qty.electricity.selfused"] == found["qty.electricity.renewable"] == used * MICRO
    assert found["qty.electricity"] == (140 - int(exported)) * MICRO
    assert found["co2.power"] == (100 - int(exported)) * 6 * MICRO // 10


def certificate(id_: str, period: str, value: str) -> str:
    return document(
        "certificate", id_, enterprise="works", number=id_, carrier="electricity", period=period, value=value,
        unit="kWh", source="demo",
    )  # fmt: skip


def test_a_years_certificate_that_is_withdrawn_leaves_those_of_its_months() -> None:
    month = certificate("c1", "2018-03", "3")
    stream = Stream(documents(REGISTRY, meter("e1", step="1h"), month, certificate("c2", "2018", "5")))
    stream.step(tick("2018-03-01"))
    stream.readings(("e1", "2018-03-01T09:00", "100"))
    stream.step(tick("2018-04-05"))
    stream.register(documents(REGISTRY, meter("e1", step="1h"), month), 2)
    found = [stream.value(f"energy.cv{part}", "2018") for part in ("", ".green", ".controlled")]
    assert found == [Decimal("12.29"), Decimal("0.3687"), Decimal("11.9213")]


def test_a_part_of_a_quantity_is_averaged_over_the_hours_of_which_nothing_is_missing() -> None:
    mean = document(
        "indicator", "mean", type="average", total="qty.electricity.renewable", over="hour", unit="kWh"
    )  # fmt: skip
    stream = Stream(documents(REGISTRY, meter("pv", role="generation", counts_as="renewable"), mean))
    stream.step(tick("2018-03-01"))
    stream.readings(*(("pv", f"2018-03-01T{at}", "10") for at in ("08:15", "08:30", "08:45", "09:00", "09:15")))
    stream.step(tick("2018-03-09"))
    assert stream.value("ind.mean", "2018-03-01") == 40


def test_an_hours_share_of_what_is_under_control_is_of_all_where_no_part_is_tagged() -> None:
    share = document(
        "indicator", "share", type="share", numerator="energy.cv", denominator="energy.cv.controlled", unit="%"
    )  # fmt: skip
    found = hour(meter("e1", step="1h"), readings=[("e1", "100")], more=(share,))
    assert found["ind.share"] == 100 * MICRO


def test_an_enterprise_without_tags_has_no_parts() -> None:
    found = hour(meter("e1", step="1h"), readings=[("e1", "100")])
    assert not [name for name in found if name.endswith((".controlled", ".purchased", ".renewable", ".feedstock"))]


def test_the_snapshot_values_certificates_as_at_the_beginning_of_their_period() -> None:
    green = document(
        "certificate", "c1", enterprise="works", number="1", carrier="electricity", period="2018-04", value="1",
        unit="MWh", source="demo",
    )  # fmt: skip
    (found,) = Snapshot.build(1, documents(REGISTRY, green)).certificates["works"]
    assert (found.period, found.micro) == ("2018-04", 1000 * MICRO)


GAS_OF_PIPE = document("carrier", "natural-gas", unit="m3", medium="fuel")
BOTH = document(
    "release", "demo-2018",
    coefficients=[
        {"carrier": "natural-gas", "cv_kgce": "1.2", "source": "demo"},
        {"carrier": "electricity", "cv_kgce": "0.1", "source": "demo"},
    ],
    factors=[],
)  # fmt: skip
PIPE = {"carrier": "natural-gas", "unit": "m3", "step": "1h"}


@pytest.mark.parametrize(
    ("main", "taken"),
    [
        (("09:00", "100"), 30),
        (None, None),  # nothing is known of the whole, so nothing is taken off it
        (("08:20", "60"), 20),  # a third of the hour is known; of those 20 not more than all can have been feedstock
        (("08:50", "60"), 30),
    ],
)
def test_feedstock_below_a_main_meter_is_taken_off_what_that_meter_says(
    main: tuple[str, str] | None, taken: int | None
) -> None:
    stream = Stream(documents(
        REGISTRY, GAS_OF_PIPE, BOTH, meter("e01", step="1h"), meter("g01", **PIPE), meter("g02", **PIPE),
        meter("g03", role="sub", parent="g02", **PIPE),
        meter("g04", role="sub", parent="g03", counts_as="feedstock", **PIPE),
    ))  # fmt: skip
    rows = [("e01", "2018-03-01T09:00", "1000"), ("g01", "2018-03-01T09:00", "50"), ("g04", "2018-03-01T09:00", "30")]
    stream.readings(*rows, *([("g02", f"2018-03-01T{main[0]}", main[1])] if main else []))
    stream.step(tick("2018-03-01T10:00"))
    for name in ("2018-03-01T08", "2018-03-01", "2018"):
        assert stream.value("qty.natural-gas.feedstock", name) == taken
        gross, tagged = stream.value("energy.cv", name), stream.value("energy.cv.feedstock", name) or 0
        assert tagged == Decimal("1.2") * (taken or 0)
        assert stream.value("energy.cv.controlled", name) == (None if taken is None else (gross or 0) - tagged)
