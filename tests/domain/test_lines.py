"""Lines divide an enterprise's energy exactly, whatever came in which order, and never what is not known."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents.metric import BY_LINE
from schemas.messages import Reported
from schemas.windows import HOUR_MS, children_of
from streams.domain.lines import divided_by
from streams.domain.sheet import Sheet
from tests.folding import REGISTRY, Stream, batch, document, documents, instant, message, meter, report, tick

MICRO = 10**6


def allocation(key: str, *lines: dict[str, Any], id_: str = "a1", valid_from: str = "2018-01-01", **more: Any) -> str:
    return document("allocation", id_, valid_from, enterprise="works", key=key, source="demo", lines=[*lines], **more)


def until(text: str, day: str) -> str:
    return text + f"valid_to: '{day}'\n"


SLAG = document("product", "slag", unit="t")
METERS = tuple(
    meter(name, step="1h", **spec)
    for name, spec in (
        ("e01", {}),
        ("e02", {"role": "sub", "parent": "e01"}),
        ("e03", {"role": "sub", "parent": "e01"}),
    )
)
BY_SHARES = until(
    allocation(
        "shares", {"id": "steel", "meters": ["works.e02"], "share": "0.31", "products": [{"id": "crude-steel"}]},
        {"id": "slag", "meters": ["works.e03"], "share": "0.3333", "products": [{"id": "slag"}]}, unallocated="0.3567",
    ),
    "2018-04-01",
)  # fmt: skip
BY_OUTPUTS = allocation(
    "outputs", {"id": "steel", "meters": ["works.e02"], "products": [{"id": "crude-steel", "weight": "2.5"}]},
    {"id": "slag", "meters": ["works.e03"], "products": [{"id": "slag"}]}, id_="a2", valid_from="2018-04-01",
)  # fmt: skip
REGISTERED = documents(REGISTRY, SLAG, *METERS, BY_SHARES, BY_OUTPUTS)
FROM_MS, HOURS = instant("2018-03-31T20:00"), 8


@given(st.integers(-(10**18), 10**18), st.lists(st.integers(0, 10**12), min_size=1, max_size=9).filter(any))
def test_parts_add_up_exactly_and_are_next_to_what_they_should_be(amount: int, weights: list[int]) -> None:
    parts = divided_by(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
        assert weight or not part


def made(product: str, period: str, tons: int, rev: int = 0) -> Reported:
    return msgspec.structs.replace(report(period, str(tons), rev=rev), metric=f"output.{product}")


def micro(stream: Stream, metric: str, name: str) -> int | None:
    value = stream.value(metric, name)
    return None if value is None else int(value * MICRO)


def hours_of(amounts: dict[tuple[str, int], int]) -> list[tuple[int, int, int] | None]:
    """Return of each hour the energy [1e-6 kgce] of the works, of steel's and of slag's meter; None: one is missing."""
    found: list[tuple[int, int, int] | None] = []
    for hour in range(HOURS):
        counts = [amounts.get((name, hour)) for name in ("e01", "e02", "e03")]
        known = [count * 1229 for count in counts if count is not None]  # 0.01 kWh x 0.1229
        found.append((known[0], known[1], known[2]) if len(known) == 3 else None)
    return found


def outputs_of(reports: Iterable[Reported], period: str) -> dict[str, int]:
    best: dict[str, Reported] = {}
    for each in reports:
        if each.period == period and (each.metric not in best or each.rev > best[each.metric].rev):
            best[each.metric] = each
    return {metric[7:]: each.micro for metric, each in best.items()}


REPORTS = st.lists(
    st.tuples(
        st.sampled_from(("crude-steel", "slag")), st.sampled_from(("2018-04-01", "2018-04")), st.integers(0, 3),
        st.integers(0, 1),
    ),
    max_size=6, unique_by=lambda each: (each[0], each[1], each[3]),
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(
    sent=st.dictionaries(
        st.tuples(st.sampled_from(("e01", "e02", "e03")), st.integers(0, HOURS - 1)), st.integers(0, 10**7),
        min_size=3 * HOURS - 4,
    ),
    corrected=st.dictionaries(st.tuples(st.just("e02"), st.integers(0, HOURS - 1)), st.none() | st.integers(0, 10**7)),
    said=REPORTS,
    data=st.data(),
)  # fmt: skip
def test_lines_and_what_is_left_are_the_enterprise_in_every_window_and_order(
    sent: dict[tuple[str, int], int],
    corrected: dict[tuple[str, int], int | None],
    said: list[tuple[str, str, int, int]],
    data: st.DataObject,
) -> None:
    def row(place: tuple[str, int], count: int | None, rev: int) -> tuple[Any, ...]:
        value = None if count is None else Decimal(count).scaleb(-2)
        return (place[0], FROM_MS + (place[1] + 1) * HOUR_MS, value, rev)

    rows = [row(place, count, 0) for place, count in sent.items()]
    rows += [row(place, count, 1) for place, count in corrected.items()]
    reports = [made(*each) for each in said]
    begin, end = tick("2018-03-31"), tick("2018-04-01T12:00")
    whole, other = Stream(REGISTERED), Stream(REGISTERED)
    whole.step(begin, message(batch(rows, received=FROM_MS)), *reports, end)
    mixed = data.draw(st.permutations(rows), "rows")
    todo: list[bytes | Reported] = [
        message(batch(mixed[at : at + 5], received=FROM_MS)) for at in range(0, len(mixed), 5)
    ]
    other.step(begin)
    for each in data.draw(st.permutations([*todo, *reports]), "order"):
        other.step(each)
    other.step(end)

    names = [hour.name for day in ("2018-03-31", "2018-04-01") for hour in children_of(day)]
    names += ["2018-03-31", "2018-04-01", "2018-03", "2018-04", "2018-Q1", "2018-Q2", "2018"]
    for name in names:
        for value in ("energy.cv", "energy.eq"):
            metrics = [f"{value}.{each}" for each in ("line.steel", "line.slag", "unallocated", "common", "own.steel")]
            mine = [micro(whole, metric, name) for metric in metrics]
            assert mine == [micro(other, metric, name) for metric in metrics]
            parts = [each for each in mine[:3] if each is not None]
            energy = micro(whole, value, name)
            assert (sum(parts) if parts else None) == energy

    amounts = {**sent, **{place: count for place, count in corrected.items() if count is not None}}
    for place in [place for place, count in corrected.items() if count is None]:
        amounts.pop(place, None)
    known = hours_of(amounts)
    for hour, each in enumerate(known[:4]):
        name = children_of("2018-03-31")[20 + hour].name
        if each is None:
            assert micro(whole, "energy.cv.line.steel", name) is None
            continue
        energy, steel, slag = each
        common = energy - steel - slag
        assert micro(whole, "energy.cv.common", name) == common
        slags = common * 3333 // 10000  # the lines' ids in order: slag, steel
        assert micro(whole, "energy.cv.line.slag", name) == slag + slags
        assert micro(whole, "energy.cv.line.steel", name) == steel + common * 6433 // 10000 - slags
        assert micro(whole, "energy.cv.unallocated", name) == common - common * 6433 // 10000
    day = [each for each in known[4:] if each is not None]
    for name in ("2018-04-01", "2018-04"):
        by_day, by_month = outputs_of(reports, "2018-04-01"), outputs_of(reports, "2018-04")
        of_day = day and len(by_day) == 2 and any(by_day.values())
        outputs = by_day if name == "2018-04-01" or of_day else by_month
        steel_line = micro(whole, "energy.cv.line.steel", name)
        if not day or len(outputs) < 2 or not any(outputs.values()):
            assert steel_line is None
            continue
        energy, steel, slag = (sum(each) for each in zip(*day, strict=True))
        common, weights = energy - steel - slag, (10 * outputs["slag"], 25 * outputs["crude-steel"])
        assert steel_line == steel + common - common * weights[0] // sum(weights)


def test_a_silent_sub_meter_leaves_its_hour_unallocated() -> None:
    stream = Stream(REGISTERED)
    stream.step(tick("2018-03-01T07:00"))
    stream.readings(("e01", "2018-03-01T09:00", "10"), ("e02", "2018-03-01T09:00", "4"))
    stream.step(tick("2018-03-01T09:01"))
    assert stream.value("energy.cv.line.steel", "2018-03-01T08") is None
    assert stream.value("energy.cv.unallocated", "2018-03-01T08") == Decimal("1.229")
    assert stream.value("lines.measured", "2018-03-01T08") == 0
    stream.readings(("e03", "2018-03-01T09:00", "3"))
    assert stream.value("energy.cv.common", "2018-03-01T08") == Decimal("0.3687")
    assert stream.value("lines.measured", "2018-03-01T08") == 3 * 3600


def test_sub_meters_above_their_main_meter_leave_a_common_energy_below_zero() -> None:
    stream = Stream(REGISTERED)
    stream.step(tick("2018-03-01T07:00"))
    stream.readings(*((name, "2018-03-01T09:00", value) for name, value in (("e01", 10), ("e02", 8), ("e03", 12))))
    assert stream.value("energy.cv.common", "2018-03-01T08") == Decimal("-1.229")
    assert stream.value("energy.cv.line.steel", "2018-03-01T08") == Decimal("0.9832") - Decimal("0.380990")


def test_what_a_line_gives_out_counts_with_a_minus() -> None:
    out = meter("e04", step="1h", role="output")
    whole = {"id": "all", "meters": ["works.e01", "works.e04"], "share": "1"}
    stream = Stream(documents(REGISTRY, METERS[0], out, allocation("shares", whole)))
    stream.step(tick("2018-03-01T07:00"))
    stream.readings(("e01", "2018-03-01T09:00", "10"), ("e04", "2018-03-01T09:00", "4"))
    assert stream.value("energy.cv.own.all", "2018-03-01T08") == Decimal("0.7374")
    assert stream.value("energy.cv.common", "2018-03-01T08") == 0


def test_a_line_of_what_has_no_coefficient_is_not_known() -> None:
    steam = meter("s01", step="1h", carrier="steam", unit="kg", role="sub")
    line = {"id": "all", "meters": ["works.s01"], "share": "1"}
    stream = Stream(documents(REGISTRY, METERS[0], steam, allocation("shares", line)))
    stream.step(tick("2018-03-01T07:00"))
    stream.readings(("e01", "2018-03-01T09:00", "10"), ("s01", "2018-03-01T09:00", "4"))
    assert stream.value("energy.cv.line.all", "2018-03-01T08") is None
    assert stream.value("energy.cv.unallocated", "2018-03-01T08") == Decimal("1.229")


def test_another_allocation_moves_what_was_divided_and_none_takes_it_away() -> None:
    stream = Stream(documents(REGISTRY, SLAG, *METERS))
    stream.step(tick("2018-03-01T07:00"))
    stream.readings(*((name, "2018-03-01T09:00", value) for name, value in (("e01", 10), ("e02", 4), ("e03", 3))))
    stream.step(tick("2018-03-01T09:01"))
    assert stream.value("energy.cv.unallocated", "2018-03-01") is None
    stream.register(REGISTERED, 2)
    assert stream.value("energy.cv.line.steel", "2018-03-01") == Decimal("0.4916") + Decimal("0.114297")
    assert stream.value("energy.cv.line.steel", "2018") == Decimal("0.605897")
    stream.register(documents(REGISTRY, SLAG, *METERS), 3)
    assert {stream.value("energy.cv.line.steel", name) for name in ("2018-03-01T08", "2018-03-01", "2018")} == {None}


def test_an_enterprise_without_lines_has_nothing_of_them() -> None:
    stream = Stream(documents(REGISTRY, *METERS))
    stream.readings(("e01", "2018-03-01T09:00", "10"))
    stream.step(tick("2018-03-02"))
    documents_of = [each for key, each in stream.totals.items() if key.startswith("enterprise/")]
    assert not [name for each in documents_of for name in each.metrics if name.startswith(BY_LINE)]


def test_territories_leave_the_lines_to_their_enterprises() -> None:
    stream = Stream(REGISTERED)
    stream.readings(*((name, "2018-03-01T09:00", value) for name, value in (("e01", 10), ("e02", 4), ("e03", 3))))
    found = Sheet("2018-03-01", [stream.totals["enterprise/works|2018-03-01"]]).add_up(["works"])
    assert found is not None
    assert found.metrics[8]["energy.cv"] == 1_229_000
    assert not [name for name in found.metrics[8] if name.startswith(BY_LINE)]


@pytest.mark.parametrize("tons", [(0, 0), (5, None)])
def test_outputs_that_are_zero_or_not_all_known_divide_nothing(tons: tuple[int, int | None]) -> None:
    stream = Stream(REGISTERED)
    stream.step(tick("2018-04-02T07:00"))
    stream.readings(*((name, "2018-04-02T09:00", value) for name, value in (("e01", 10), ("e02", 4), ("e03", 3))))
    reports = [
        made(name, "2018-04-02", each)
        for name, each in zip(("crude-steel", "slag"), tons, strict=True)
        if each is not None
    ]
    stream.step(*reports, tick("2018-04-03"))
    assert stream.value("energy.cv.line.steel", "2018-04-02") is None
    assert stream.value("energy.cv.unallocated", "2018-04-02") == Decimal("1.229")
