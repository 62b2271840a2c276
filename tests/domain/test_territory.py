"""A territory's numbers are the sums of its members', whatever came first, twice, or late."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import CalendarDocument, Condition, Reported, decode_calendar, decode_condition, decode_event
from schemas.windows import window
from streams.domain.territory import Territories
from streams.domain.territory_alarms import Conditions
from tests.territory_city import CITY, ENTERPRISES, Outputs, enterprise_documents, hour, plain, records, snapshot

SNAPSHOT = snapshot()
HOURS = ("2018-06-30T22", "2018-06-30T23", "2018-07-01T00", "2018-07-01T01", "2018-12-31T23")
NOTHING = None


def territories_of(documents: Iterable[CalendarDocument], text: str | None = None) -> Territories:
    found = Territories()
    found.follow(SNAPSHOT if text is None else snapshot(text))
    for document, encoded in records(documents):
        found.take(document, encoded)
    drain(found)
    return found


def drain(territories: Territories) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while territories.waiting:
        found += [(output.topic, output.value) for output in territories.recompute()]
    return found


def values(territories: Territories, entity: str, period: str, metric: str) -> list[int | None]:
    document = territories.documents.get(entity, period)
    return [] if document is None else document.metrics.get(metric, [None] * len(document.status))


def state(territories: Territories) -> dict[tuple[str, str], object]:
    return {
        (entity, period): plain(document)
        for period in territories.documents.periods()
        for entity in territories.documents.entities(period)
        if (document := territories.documents.get(entity, period)) is not None
    }


def own(territories: Territories, entity: str, period: str, metric: str) -> int | None:
    document = territories.documents.get(entity, period[:4] if "Q" in period else period)
    assert document is not None, (entity, period)
    return document.own[period].values.get(metric)


ADDITIVE = (
    "qty.electricity", "energy.cv", "energy.cv.feedstock", "time.expected.electricity", "time.measured.electricity",
)  # fmt: skip
cells = st.one_of(st.integers(-(10**15), 10**15), st.just(NOTHING))
used = st.dictionaries(st.sampled_from(ENTERPRISES), st.dictionaries(st.sampled_from(HOURS), cells))


def documents_of(amounts: dict[str, dict[str, int | None]]) -> list[CalendarDocument]:
    return [
        document
        for enterprise, by_hour in amounts.items()
        for document in enterprise_documents(
            enterprise, {name: hour(kwh or 0, 0 if kwh is None else 3600) for name, kwh in by_hour.items()}
        )
    ]


def added(parts: Iterable[list[int | None]], length: int) -> list[int | None]:
    columns = zip(*([*part, *[None] * (length - len(part))] for part in parts), strict=True)
    known = [[value for value in column if value is not None] for column in columns]
    return [sum(column) if column else None for column in known]


@given(used)
@settings(max_examples=30, deadline=None)
def test_parks_and_enterprises_without_a_park_make_up_the_county_exactly(
    amounts: dict[str, dict[str, int | None]],
) -> None:
    city = territories_of(documents_of(amounts))
    for period, length in (("2018-06-30", 24), ("2018-07-01", 24), ("2018-06", 30), ("2018-07", 31), ("2018", 12)):
        for metric in ADDITIVE:
            free = [d for d in enterprise_documents("free", {
                name: hour(kwh or 0, 0 if kwh is None else 3600) for name, kwh in amounts.get("free", {}).items()
            }) if d.period == period]  # fmt: skip
            parts = [values(city, park, period, metric) for park in ("park/old", "park/new")]
            parts += [document.metrics.get(metric, []) for document in free]
            county = values(city, "county/east", period, metric) or [None] * length
            assert county == added(parts, length)
            both = [values(city, name, period, metric) for name in ("county/east", "county/west")]
            assert (values(city, "city/town", period, metric) or [None] * length) == added(both, length)


@given(used, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_documents_and_rounds_does_not_matter(
    amounts: dict[str, dict[str, int | None]], rng: random.Random
) -> None:
    documents = documents_of(amounts)
    first = state(territories_of(documents))
    rng.shuffle(documents)
    second = Territories()
    second.follow(SNAPSHOT)
    for document, text in records(documents):
        second.take(document, text)
        if rng.random() < 0.3:
            second.recompute()
    drain(second)
    assert state(second) == first


@given(used, st.data())
@settings(max_examples=20, deadline=None)
def test_a_correction_ends_where_the_corrected_would_have_begun(
    amounts: dict[str, dict[str, int | None]], data: st.DataObject
) -> None:
    later = {name: {at: data.draw(cells) for at in by_hour} for name, by_hour in amounts.items()}
    corrected = territories_of(documents_of(amounts))
    for document, text in records(documents_of(later)):
        corrected.take(document, text)
    drain(corrected)
    assert state(corrected) == state(territories_of(documents_of(later)))


def test_an_enterprise_that_moves_counts_for_each_park_in_its_own_hours() -> None:
    city = territories_of(documents_of({"mover": dict.fromkeys(HOURS, 5)}))
    assert values(city, "park/old", "2018-06-30", "qty.electricity")[22:] == [5, 5]
    assert city.documents.get("park/new", "2018-06-30") is None
    assert values(city, "park/new", "2018-07-01", "qty.electricity")[:2] == [5, 5]
    assert city.documents.get("park/old", "2018-07-01") is None
    assert values(city, "park/old", "2018", "qty.electricity")[5:7] == [10, None]
    assert values(city, "park/new", "2018", "qty.electricity")[5:7] == [None, 10]
    assert values(city, "county/east", "2018", "qty.electricity")[5:7] == [10, 10]


def test_an_enterprise_counts_once_in_an_industry_and_the_industry_above() -> None:
    city = territories_of(documents_of({"steady": {HOURS[0]: 7}, "far": {HOURS[0]: 2}}))
    assert values(city, "industry/c31", "2018-06-30", "qty.electricity")[22] == 7
    assert values(city, "industry/c", "2018-06-30", "qty.electricity")[22] == 9


def test_sums_beyond_64_bits_are_exact() -> None:
    large = 2**62
    city = territories_of(documents_of({name: {HOURS[0]: large} for name in ("steady", "mover", "free")}))
    assert values(city, "county/east", "2018-06-30", "qty.electricity")[22] == 3 * large
    city = territories_of(documents_of({"steady": {HOURS[0]: 2**70}, "mover": {HOURS[0]: -1}}))
    assert values(city, "county/east", "2018-06-30", "qty.electricity")[22] == 2**70 - 1


def test_a_document_that_comes_again_changes_nothing() -> None:
    documents = documents_of({"steady": {HOURS[0]: 7}, "far": {HOURS[0]: 2}})
    city = territories_of(documents)
    for document, text in records(documents):
        city.take(document, text)
    assert not city.waiting
    later = [
        d
        for name in ("steady", "far")
        for d in enterprise_documents(name, {HOURS[0]: hour(7 if name == "steady" else 2)}, step=2)
    ]
    for document, text in records(later):
        city.take(document, text)
    assert drain(city) == []


def test_what_is_written_is_not_written_again_after_a_start() -> None:
    documents = documents_of({name: {HOURS[0]: 450_000_000, HOURS[3]: 1} for name in ENTERPRISES})
    first = Territories()
    first.follow(SNAPSHOT)
    for document, text in records(documents):
        first.take(document, text)
    written = drain(first)
    assert {topic for topic, _ in written} == {"totals", "alarm.conditions", "alarm.events"}
    second = Territories()
    second.follow(SNAPSHOT)
    for topic, value in written:
        if topic == "totals":
            second.restore(decode_calendar(value), value)
        elif topic == "alarm.conditions":
            second.conditions.restore(decode_condition(value))
    for document, text in records(documents):
        second.take(document, text)
    second.recompute_all()
    assert drain(second) == []


def test_a_document_tells_the_highest_step_of_each_partition_it_was_made_from() -> None:
    steady = enterprise_documents("steady", {HOURS[0]: hour(1)}, step=9)
    mover = enterprise_documents("mover", {HOURS[0]: hour(1)}, step=4)
    free = enterprise_documents("free", {HOURS[0]: hour(1)}, step=3)
    for document in free:
        document.input = [(1, 3)]
    city = territories_of([*steady, *mover, *free])
    for period in ("2018-06-30", "2018-06", "2018"):
        document = city.documents.get("county/east", period)
        assert document is not None
        assert document.input == [(0, 9), (1, 3)]


@pytest.mark.parametrize(
    ("statuses", "together"),
    [
        (("settled", "settled"), "settled"),
        (("settled", "provisional"), "provisional"),
        (("revised", "settled"), "revised"),
        (("revised", "provisional"), "provisional"),
    ],
)
def test_an_hour_is_open_while_it_is_for_one_member(statuses: tuple[str, str], together: str) -> None:
    late = window("2020").start_ms
    documents = [
        document
        for name, status in zip(("steady", "mover"), statuses, strict=True)
        for document in enterprise_documents(
            name, {HOURS[0]: hour(1)}, status=status, known=late if status == "revised" else 1
        )
    ]
    city = territories_of(documents)
    for period, index in (("2018-06-30", 22), ("2018-06", 29), ("2018", 5)):
        document = city.documents.get("park/old", period)
        assert document is not None
        assert document.status[index] == together
        assert document.own[period].status == together
        assert document.known[index] == (late if "revised" in statuses else 1)


def made(outputs: dict[str, Outputs], text: str | None = None) -> Territories:
    return territories_of(
        [d for name, mine in outputs.items() for d in enterprise_documents(name, {HOURS[0]: hour(100)}, mine)], text
    )


def test_an_output_is_the_sum_over_the_members_that_make_the_product() -> None:
    month = ("output.steel", "2018-06")
    city = made({"steady": {month: 3}, "free": {month: 4}, "far": {}})
    assert own(city, "county/east", "2018-06", "output.steel") == 7
    assert own(city, "city/town", "2018-06", "output.steel") == 7
    assert own(city, "county/west", "2018-06", "output.steel") is None
    assert own(city, "county/east", "2018", "output.steel") is None, "a part of the months is no year"


def test_an_output_is_unknown_while_one_member_that_makes_it_has_not_told() -> None:
    june, may = ("output.steel", "2018-06"), ("output.steel", "2018-05")
    city = made({"steady": {june: 3}, "free": {may: 4}})
    assert own(city, "county/east", "2018-06", "output.steel") is None
    assert own(city, "park/old", "2018-06", "output.steel") == 3
    for document, text in records(enterprise_documents("free", {HOURS[0]: hour(100)}, {june: 5, may: 4})):
        city.take(document, text)
    drain(city)
    assert own(city, "county/east", "2018-06", "output.steel") == 8


def test_a_new_maker_of_a_product_makes_the_other_months_unknown() -> None:
    june, may = ("output.steel", "2018-06"), ("output.steel", "2018-05")
    city = made({"steady": {june: 3}, "free": {}})
    assert own(city, "county/east", "2018-06", "output.steel") == 3
    for document, text in records(enterprise_documents("free", {HOURS[0]: hour(100)}, {may: 4})):
        city.take(document, text)
    drain(city)
    assert own(city, "county/east", "2018-06", "output.steel") is None


def test_of_who_moved_within_a_window_no_output_is_counted() -> None:
    city = made({"mover": {("output.steel", "2018"): 30, ("output.steel", "2018-06"): 2}})
    assert own(city, "county/east", "2018", "output.steel") == 30
    assert own(city, "park/old", "2018", "output.steel") is None
    assert own(city, "park/old", "2018-06", "output.steel") == 2


def reported(entity: str, period: str, micro: int, rev: int = 0, received: int = 1) -> Reported:
    return Reported(1, 1, entity, "output.steel", period, micro, str(micro), "t", rev, "somebody", received)


def test_what_is_reported_for_a_territory_goes_before_the_sum_of_its_members() -> None:
    city = made({"steady": {("output.steel", "2018-06"): 3}})
    for each in (
        reported("county/east", "2018-06", 11),
        reported("county/east", "2018-06", 12, rev=1, received=5),
        reported("county/east", "2018-06", 13, rev=1, received=6),
        reported("county/east", "2018-Q2", 40),
        reported("county/west", "2018-03", 9),
    ):
        city.report(each)
    drain(city)
    assert own(city, "county/east", "2018-06", "output.steel") == 12
    assert own(city, "county/east", "2018-Q2", "output.steel") == 40
    assert own(city, "county/west", "2018-03", "output.steel") == 9
    assert own(city, "city/town", "2018-06", "output.steel") == 3


def conditions(outputs: list[tuple[str, bytes]]) -> list[Condition]:
    return [decode_condition(value) for topic, value in outputs if topic == "alarm.conditions"]


def test_a_countys_intensity_is_held_against_its_limit() -> None:
    city = Territories()
    city.follow(SNAPSHOT)
    outputs = {("output.steel", "2018-06"): 1_000_000}
    for document, text in records(enterprise_documents("steady", {HOURS[0]: hour(170_000_000)}, outputs)):
        city.take(document, text)
    *_, found = (each for each in conditions(drain(city)) if each.rule == "county-limit")
    assert (found.entity, found.start, found.condition) == ("county/east", "2018-06", "established")
    assert (found.tier, found.value) == ("access", "85")
    assert own(city, "county/east", "2018-06", "ind.steel-intensity") == 85_000_000


def test_an_episode_of_a_county_is_raised_by_the_sum_and_cleared_by_it() -> None:
    city = Territories()
    city.follow(SNAPSHOT)
    kwh = {"steady": (300, 300, 100), "free": (50, 150, 100)}
    for name, amounts in kwh.items():
        hours = {f"2018-06-30T{at:02}": hour(each * 10**6) for at, each in enumerate(amounts, 10)}
        for document, text in records(enterprise_documents(name, hours)):
            city.take(document, text)
    events = [decode_event(value) for topic, value in drain(city) if topic == "alarm.events"]
    assert [(each.rule, each.entity, each.start, each.cause, each.seq) for each in events] == [
        ("county-peak", "county/east", "2018-06-30T11", "raised", 1),
        ("county-peak", "county/east", "2018-06-30T11", "cleared", 2),
    ]


def test_a_change_of_membership_moves_the_numbers_and_nothing_else_is_written() -> None:
    city = territories_of(documents_of({name: {HOURS[0]: 5} for name in ENTERPRISES}))
    moved = CITY.replace("park: [{from: 2018-01-01, id: old}],\n", "park: [{from: 2018-01-01, id: new}],\n")
    assert moved != CITY
    city.follow(snapshot(moved, 2))
    written = [decode_calendar(value) for topic, value in drain(city) if topic == "totals"]
    assert {each.entity for each in written} == {"park/old", "park/new"}
    assert state(city) == state(territories_of(documents_of({name: {HOURS[0]: 5} for name in ENTERPRISES}), moved))


def test_an_output_moves_with_an_enterprise_of_which_there_is_no_day() -> None:
    city = Territories()
    city.follow(SNAPSHOT)
    for document, text in records(enterprise_documents("far", {}, {("output.steel", "2018-06"): 3})):
        city.take(document, text)
    drain(city)
    assert own(city, "county/west", "2018-06", "output.steel") == 3
    city.follow(snapshot(CITY.replace("id: west}], industry", "id: east}], industry")))
    drain(city)
    assert own(city, "county/west", "2018-06", "output.steel") is None
    assert own(city, "county/east", "2018-06", "output.steel") == 3


GREEN = """
---
{apiVersion: qingyu/v1, kind: certificate, id: c1, valid_from: 2018-01-01,
 spec: {enterprise: far, number: "1", carrier: electricity, period: 2018-06, value: "3", unit: kWh, source: test}}
"""


def test_a_certificate_counts_where_its_enterprise_says_something_of_the_month_whenever_it_comes() -> None:
    others = enterprise_documents("steady", {HOURS[0]: hour(100)})
    first, later = territories_of(others, CITY + GREEN), territories_of(others)
    later.follow(snapshot(CITY + GREEN))
    drain(later)
    assert state(later) == state(first)
    assert later.documents.get("county/west", "2018-06") is None
    for document, text in records(enterprise_documents("far", {HOURS[0]: hour(100)})):
        later.take(document, text)
    drain(later)
    assert own(later, "county/west", "2018-06", "qty.electricity.green") == 3_000_000


def test_a_years_certificate_of_an_enterprise_that_ended_counts_where_it_was_last() -> None:
    ended = CITY.replace("id: far, valid_from: 2018-01-01", "id: far, valid_from: 2018-01-01, valid_to: 2018-07-01")
    assert ended != CITY
    city = territories_of(
        enterprise_documents("far", {HOURS[0]: hour(100)}), ended + GREEN.replace("2018-06", '"2018"')
    )
    drain(city)
    assert own(city, "county/west", "2018", "qty.electricity.green") == 3_000_000


def test_a_park_that_everybody_left_knows_nothing_rather_than_zero() -> None:
    city = territories_of(documents_of({"steady": {HOURS[0]: 5}}))
    moved = CITY.replace("park: [{from: 2018-01-01, id: old}],\n", "park: [{from: 2018-01-01, id: new}],\n")
    city.follow(snapshot(moved, 2))
    drain(city)
    assert values(city, "park/old", "2018-06-30", "qty.electricity") == [None] * 24
    assert values(city, "park/old", "2018", "qty.electricity") == [None] * 12
    document = city.documents.get("park/old", "2018-06")
    assert document is not None and document.status == [None] * 30


def test_a_new_rule_is_held_against_what_is_known_already() -> None:
    city = territories_of(documents_of({"steady": {HOURS[0]: 350_000_000}}))
    lower = CITY.replace('raise: {gt: "400"}, clear: {lt: "350"}', 'raise: {gt: "300"}, clear: {lt: "200"}')
    city.follow(snapshot(lower, 2))
    written = drain(city)
    assert [(each.entity, each.condition) for each in conditions(written)] == [("county/east", "firing")]
    assert not [topic for topic, _ in written if topic == "totals"]


def test_a_territorys_figure_is_amended_once_on_a_later_day_than_it_moved() -> None:
    moved = Condition(
        1, "id", "county-day", "1", "county/east", "2026-03-01", "day", "established", None, "warning", "610", "500",
        "kWh", 0, window("2026-03-05T10").start_ms, "", 1.0, seq=2, told="600",
    )  # fmt: skip
    alarms = Conditions()
    alarms.restore(moved)
    alarms.tell_amended(window("2026-03-05T23").start_ms)
    assert alarms.taken() == []
    for at in ("2026-03-06T00", "2026-03-07T00"):
        alarms.tell_amended(window(at).start_ms)
    (event,) = [decode_event(each.value) for each in alarms.taken() if each.topic == "alarm.events"]
    assert (event.cause, event.told, event.value, event.seq) == ("amended", "600", "610", 3)
