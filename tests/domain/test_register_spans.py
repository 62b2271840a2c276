"""The spans of a register are the same whether its rows are looked at one by one or only around what is odd."""

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import QUALITY_CODE
from streams.domain.hour import VOID, rows_of
from streams.domain.meter_table import MeterTable
from streams.domain.register import spans_of
from streams.domain.register_spans import register_spans
from streams.domain.registry import Snapshot
from streams.domain.views import ExchangeView
from tests.folding import REGISTRY, documents, instant, meter

MINUTE_MS = 60_000
START_MS = instant("2018-03-01T23:00")
OK, ESTIMATED, FAULT = (QUALITY_CODE[name] for name in ("ok", "estimated", "fault"))
# What the value does from one reading to the next: mostly a little, sometimes nothing for long, seldom something odd.
STEADY = st.sampled_from((0, 1, 1, 2))
STEP = st.one_of(*[STEADY] * 12, st.sampled_from((-1, -3, -400, 500, 900)), st.none())
SPECS = st.sampled_from(
    (
        {},
        {"modulus": "1000", "max_rate_per_h": "100"},
        {"modulus": "1000", "max_rate_per_h": "4100"},
        {"max_rate_per_h": "30", "tolerance": "5"},
        {"multiplier": [{"from": "2018-01-01", "value": "1"}, {"from": "2018-03-02", "value": "30"}]},
    )
)


def table(exchanges: tuple[ExchangeView, ...], spec: dict[str, Any]) -> MeterTable:
    """Return a table with one register that counts 0.1 kWh."""
    text = meter("e01", "register", resolution="0.1", step="15min", **spec)
    view = Snapshot.build(1, documents(REGISTRY, text)).enterprises["works"]
    return MeterTable(dataclasses.replace(view, meters=(dataclasses.replace(view.meters[0], exchanges=exchanges),)))


MINUTES = st.sampled_from((1, 1, 1, 1, 15, 300))
QUALITY = st.sampled_from((*[OK] * 30, ESTIMATED, FAULT, VOID))


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(STEP, MINUTES, QUALITY), min_size=1, max_size=90),
    stretches=st.lists(st.tuples(st.integers(0, 89), st.integers(1, 40)), max_size=2),
    exchanged=st.lists(
        st.tuples(st.integers(1, 900), st.sampled_from((None, 700))), max_size=2, unique_by=lambda each: each[0]
    ),
    spec=SPECS,
)
def test_what_is_far_from_anything_odd_need_not_be_looked_at_one_by_one(
    steps: list[tuple[int | None, int, int]],
    stretches: list[tuple[int, int]],
    exchanged: list[tuple[int, int | None]],
    spec: dict[str, Any],
) -> None:
    for first, length in stretches:  # where it stands still, or stays at zero, for long
        steps[first : first + length] = [(0, *each[1:]) for each in steps[first : first + length]]
    value, at_ms, rows = 700, START_MS, []
    for place, (step, minutes, quality) in enumerate([(0, 1, OK), *steps]):
        # None: a zero among other values.
        value = value if step is None else max(value + step, 0)
        received = at_ms + 1000 * (place * 7 % 11)
        rows.append((0, at_ms, 0 if step is None else value, 0, quality, received))
        at_ms += minutes * MINUTE_MS
    changes = tuple(ExchangeView(START_MS + at * MINUTE_MS, final, 3) for at, final in sorted(exchanged))
    one = table(changes, spec)
    columns = rows_of(list(zip(*rows, strict=True)))

    valid = [place for place, row in enumerate(rows) if row[4] in (OK, ESTIMATED)]
    expected = [
        (
            rows[valid[first]][1], rows[valid[last]][1], kind, amount,
            ESTIMATED in (rows[valid[first]][4], rows[valid[last]][4]),
            max(row[5] for row in rows[valid[first] : valid[last] + 1]),
        )
        for first, last, kind, amount in spans_of(
            one.meters[0], [rows[place][1] for place in valid], [rows[place][2] for place in valid]
        )
    ]  # fmt: skip
    assert [tuple(each) for each in register_spans(one, 0, columns)] == expected
