"""Properties of the fold: order, repetition, batches, restarts, scales and ticks change no number."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.messages import Reported
from streams.domain.alarm import OPEN
from tests.folding import REGISTRY, Stream, batch, document, documents, instant, message, meter, report, tick
from tests.independent import HOUR_MS, LOCAL, Reading, shared

LIMITS = """
{apiVersion: qingyu/v1, kind: settings, id: default, valid_from: 2018-01-01,
 spec: {grace: {hour: 2h, day: 12h, month: 1d, year: 1d}}}
---
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.crude-steel, unit: kgce/t}}
---
{apiVersion: qingyu/v1, kind: limit, id: steel-limit, valid_from: 2018-01-01,
 spec: {indicator: steel-intensity, tiers: [{id: low, max: "0.5"}, {id: high, max: "2"}], source: demo}}
---
{apiVersion: qingyu/v1, kind: rule, id: peak, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: episode, select: {kind: enterprise, id: [works]},
        raise: {gt: "12"}, clear: {lt: "8"}, severity: warning}}
---
{apiVersion: qingyu/v1, kind: rule, id: rate, valid_from: 2018-01-01,
 spec: {metric: rate.electricity, window: hour, period: hour, select: {kind: meter, id: [works.g01]},
        raise: {gt: "15"}, severity: warning}}
---
{apiVersion: qingyu/v1, kind: rule, id: day, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: day, period: day, select: {kind: enterprise, id: [works]},
        raise: {gt: "20"}, severity: warning}}
---
{apiVersion: qingyu/v1, kind: rule, id: lasting, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: episode, select: {kind: enterprise}, for: 2, keep_for: 2h,
        tiers: [{id: low, raise: {gt: "3"}, severity: info}, {id: high, raise: {gt: "9"}, severity: warning}],
        clear: {lt: "2"}, no_data: raise, except: [{season: midnight}]}}
---
{apiVersion: qingyu/v1, kind: rule, id: often, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: episode, select: {kind: meter, id: [works.e01]},
        of: {n: 2, m: 4}, raise: {gt: "5"}, no_data: no_data, severity: warning}}
---
{apiVersion: qingyu/v1, kind: rule, id: of-the-day, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: day, select: {kind: enterprise}, for: 2,
        raise: {gt: "5"}, no_data: no_data, severity: warning}}
---
{apiVersion: qingyu/v1, kind: season, id: midnight, valid_from: 2018-01-01, spec: {hours: [{from: 0, to: 1}]}}
"""
SO2 = document("carrier", "so2", unit="mg/m3", medium="other", energy=False)
METERS = (
    meter("e01"), meter("e02", "register"), meter("e03", step="30min", stamp="start", role="output"),
    meter("e04", step="2h", role="sub", parent="e01", counts_as="feedstock"),
    meter("e05", "register", step="10min", role="output"),
    meter("e06", step="20min", role="generation", counts_as="renewable"),
    meter("g01", "gauge", step="20min", unit="kW", validity={"hour": "30min", "day_hours": 1, "source": "test"}),
    meter("e08", step="20min", longest_gap="2h"), meter("e07", step="20min", longest_gap="5h", stamp="start"),
    document("outage", "e07-out", meter="works.e07", to="2018-04-01T02:50:00", **{"from": "2018-04-01T01:10:00"}),
    meter("g02", "gauge", step="1h", carrier="so2", unit="mg/m3"),
)  # fmt: skip
# From 1 April on the works measured its own factor, and in April some of what it bought was green.
VALUES = (
    document(
        "measurement", "m1", "2018-04-01", enterprise="works", carrier="electricity", eq_kgce="0.31247", source="lab",
        factors=[{"gas": "co2", "scope": "power", "kg": "0.58391"}],
    ),
    document(
        "certificate", "c1", enterprise="works", number="1", carrier="electricity", period="2018-04", value="12.5",
        unit="kWh", source="demo",
    ),
)  # fmt: skip
# Up to April the common energy is divided by shares, then by the outputs of two products.
LINES = (
    document("product", "slag", unit="t"),
    document("allocation", "a1", enterprise="works", key="shares", unallocated="0.25", source="demo", lines=[
        {"id": "one", "meters": ["works.e02"], "share": "0.4"}, {"id": "two", "share": "0.35"},
    ]).replace("valid_from: '2018-01-01'", "valid_from: '2018-01-01'\nvalid_to: '2018-04-01'"),
    document("allocation", "a2", "2018-04-01", enterprise="works", key="outputs", source="demo", lines=[
        {"id": "one", "products": [{"id": "crude-steel", "weight": "1.5"}]},
        {"id": "two", "meters": ["works.e04"], "products": [{"id": "slag"}]},
    ]),
    document(
        "indicator", "line", type="intensity", numerator="energy.cv.line.one", denominator="output.crude-steel",
        unit="kgce/t",
    ),
)  # fmt: skip
REGISTERED = documents(REGISTRY, LIMITS, SO2, *METERS, *VALUES, *LINES)
FIRST_MS, LAST_MS = instant("2018-03-31T20:00"), instant("2018-04-01T06:00")
SETTLED_MS = instant("2018-04-03")
BEGIN, END = tick("2018-03-31"), tick("2018-04-03T12:00")


class Sent(NamedTuple):
    """A reading as it is sent: the row of a batch, and when the gateway took it in."""

    row: tuple[Any, ...]
    received: int


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    name = draw(st.sampled_from(("e01", "e02", "e03", "e04", "e05", "e06", "e07", "e08", "g01", "g02")))
    # On a grid, so that instants meet; the grid holds hour edges and places besides them.
    t_ms = FIRST_MS + draw(st.integers(0, (LAST_MS - FIRST_MS) // 600_000)) * 600_000
    value = draw(st.none() | st.decimals("0", "30", places=2, allow_nan=False))
    quality = "ok" if value is None else draw(st.sampled_from(("ok", "ok", "ok", "estimated", "fault")))
    received = draw(st.sampled_from((FIRST_MS, LAST_MS, SETTLED_MS, SETTLED_MS + 1)))
    return Sent((name, t_ms, value, draw(st.integers(0, 2)), quality), received)


def steps(readings: Sequence[Sent], data: st.DataObject) -> list[list[bytes]]:
    """Cut readings into batches, batches into messages and messages into steps, anyhow."""
    found: list[list[bytes]] = [[]]
    rest = list(readings)
    while rest:
        size = data.draw(st.integers(1, len(rest)), "batch")
        part, rest = rest[:size], rest[size:]
        stamps = sorted({each.received for each in part})
        scale = data.draw(st.sampled_from((2, 2, 4)), "scale")
        batches = [batch([each.row for each in part if each.received == at], scale=scale, received=at) for at in stamps]
        found[-1].append(message(*batches))
        if data.draw(st.booleans(), "step ends"):
            found.append([])
    return found


def standing(stream: Stream) -> dict[str, Any]:
    """Return all that stands, but for what tells how it came to stand."""
    said = {key: msgspec.structs.replace(each, touched=[], input=[], registry=0) for key, each in stream.totals.items()}
    alarms = {
        (each.rule, each.start): (each.condition, each.value, each.tier, each.since, each.fired, each.coverage)
        for each in stream.conditions.values()
        if each.condition in OPEN
    }
    findings = {key: each for key, each in stream.findings.items() if each.open}
    return {"totals": said, "alarms": alarms, "findings": findings}


def told_whole(stream: Stream) -> bool:
    """Tell whether every alarm's transitions are numbered without a gap and end in its condition."""
    told: dict[str, list[Any]] = {}
    for each in stream.events:
        told.setdefault(each.id, []).append(each)
    return all(
        [each.seq for each in told.get(id_, [])] == list(range(1, condition.seq + 1))
        and (not condition.seq or told[id_][-1].condition == condition.condition)
        for id_, condition in stream.conditions.items()
    )


REPORTS = st.lists(
    st.builds(
        lambda product, period, tons, received, rev: msgspec.structs.replace(
            report(period, str(tons), received=received, rev=rev), metric=f"output.{product}"
        ),
        st.sampled_from(("crude-steel", "crude-steel", "slag")),
        st.sampled_from(("2018-03", "2018-04", "2018", "2018-04-01")),
        st.integers(0, 9), st.sampled_from((FIRST_MS, SETTLED_MS)), st.integers(0, 1),
    ),
    max_size=4,
)  # fmt: skip


@pytest.mark.timeout(400)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(readings=st.lists(sent(), max_size=25), reports=REPORTS, data=st.data())
def test_order_repetition_batches_scales_ticks_and_restarts_change_nothing(
    readings: list[Sent], reports: list[Reported], data: st.DataObject
) -> None:
    whole = Stream(REGISTERED)
    whole.step(BEGIN)
    parts = [
        batch([each.row for each in readings if each.received == at], received=at)
        for at in sorted({each.received for each in readings})
    ]
    whole.step(message(*parts), *reports)
    whole.step(END)

    other = Stream(REGISTERED)
    other.step(BEGIN)
    again = data.draw(st.lists(st.sampled_from(readings), max_size=5) if readings else st.just([]), "sent twice")
    cut = steps(data.draw(st.permutations([*readings, *again]), "order"), data)
    todo: list[list[bytes | Reported]] = [[*each] for each in cut]
    for each in [*data.draw(st.permutations(reports), "reports"), *reports[:1]]:
        todo.insert(data.draw(st.integers(0, len(todo)), "place"), [each])
    now = instant("2018-03-31")
    latest = instant("2018-04-03T12:00")
    for messages in todo:
        if data.draw(st.integers(0, 3), "time passes") == 0:
            now = min(latest, now + data.draw(st.integers(0, 30), "hours") * HOUR_MS)
            other.step(*messages, tick(now))
        else:
            other.step(*messages)
        restart = data.draw(st.sampled_from((None, None, None, False, True)), "restart")
        if restart is not None:
            other.restart(without_local_copy=restart)
    other.step(END)

    assert whole.rejected == other.rejected == []
    assert standing(other) == standing(whole)
    assert told_whole(whole) and told_whole(other)


@settings(max_examples=100, deadline=None)
@given(
    steps_min=st.lists(st.integers(1, 60 * 40), min_size=1, max_size=12),
    counts=st.lists(st.integers(0, 10**9), min_size=13, max_size=13),
    seed=st.randoms(use_true_random=False),
)
def test_a_register_is_shared_as_the_independent_calculation_shares_it(
    steps_min: list[int], counts: list[int], seed: Any
) -> None:
    t_ms, total = FIRST_MS, 0
    readings = [Reading(t_ms, Decimal(0))]
    for minutes, count in zip(steps_min, counts, strict=False):
        t_ms, total = t_ms + minutes * 60_000, total + count
        readings.append(Reading(t_ms, Decimal(total).scaleb(-2)))
    stream = Stream(documents(REGISTRY, meter("e01", "register")))
    mixed = list(readings)
    seed.shuffle(mixed)
    for each in mixed:
        stream.readings(("e01", each.t_ms, each.kwh))
    wanted = {
        datetime.fromtimestamp(at / 1000, LOCAL).strftime("%Y-%m-%dT%H"): kwh
        for at, kwh in shared(readings, HOUR_MS).items()
    }
    assert {name: stream.value("qty.electricity", name) for name in wanted} == wanted
