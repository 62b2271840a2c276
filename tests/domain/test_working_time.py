"""Working time is counted by the calendar of holidays, and who is on call by dates and rotation."""

import datetime as dt
from typing import Any

import pytest

from schemas.documents import Roster, parse_document
from schemas.instants import instant_ms
from streams.domain.on_call import on_call
from streams.domain.working_time import is_working_day, known, reach, unknown_years

MIN_MS, HOUR_MS = 60_000, 3_600_000
NINE_TO_FIVE = ((9 * HOUR_MS, 17 * HOUR_MS),)
BROKEN = ((8 * HOUR_MS + 30 * MIN_MS, 12 * HOUR_MS), (13 * HOUR_MS + 30 * MIN_MS, 17 * HOUR_MS + 30 * MIN_MS))


def at(text: str) -> int:
    return instant_ms(f"{text}:00+08:00")


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2025-09-28", True),  # a Sunday that is worked for National Day
        ("2025-09-30", True),
        ("2025-10-01", False),
        ("2025-10-08", False),  # a Wednesday, Mid-Autumn Festival
        ("2025-10-09", True),
        ("2025-10-11", True),  # a Saturday that is worked
        ("2025-10-12", False),
        ("2027-10-01", True),  # a Friday of a year whose holidays are not known
    ],
)
def test_a_working_day_is_as_the_state_council_announced_it(day: str, works: bool) -> None:
    assert is_working_day(dt.date.fromisoformat(day)) is works


@pytest.mark.parametrize(
    ("start", "need_ms", "hours", "end"),
    [
        ("2025-09-30T16:00", 120 * MIN_MS, NINE_TO_FIVE, "2025-10-09T10:00"),  # 1 h before the holiday, 1 h after it
        ("2025-09-30T16:00", 60 * MIN_MS, NINE_TO_FIVE, "2025-09-30T17:00"),
        ("2025-10-03T03:00", 120 * MIN_MS, NINE_TO_FIVE, "2025-10-09T11:00"),
        ("2025-09-30T16:00", 16 * HOUR_MS, NINE_TO_FIVE, "2025-10-10T16:00"),  # two working days
        ("2025-10-10T16:00", 8 * HOUR_MS, NINE_TO_FIVE, "2025-10-11T16:00"),  # Saturday is worked
        ("2025-10-09T11:00", 120 * MIN_MS, BROKEN, "2025-10-09T14:30"),  # over noon
        ("2025-09-30T16:00", 120 * MIN_MS, None, "2025-09-30T18:00"),  # plain time
    ],
)
def test_an_amount_of_time_is_reached_in_working_hours(start: str, need_ms: int, hours: Any, end: str) -> None:
    assert reach(need_ms, at(start), None, hours) == (at(end), 0)


def test_what_a_span_does_not_reach_is_left_for_the_next_one() -> None:
    assert reach(120 * MIN_MS, at("2025-09-30T16:00"), at("2025-10-09T09:30"), NINE_TO_FIVE) == (None, 30 * MIN_MS)
    assert reach(120 * MIN_MS, at("2025-09-30T16:00"), at("2025-09-30T16:30"), None) == (None, 90 * MIN_MS)


def test_years_whose_holidays_are_not_known_are_told() -> None:
    assert known(2026) and not known(2027)
    assert unknown_years(at("2026-12-31T16:00"), at("2027-01-04T10:00")) == [2027]


def roster(valid_to: str | None = None, **spec: Any) -> Roster:
    raw = {"apiVersion": "qingyu/v1", "kind": "roster", "id": "d", "valid_from": "2026-01-01", "spec": spec}
    found = parse_document(raw if valid_to is None else {**raw, "valid_to": valid_to})
    assert isinstance(found, Roster), found
    return found


def test_a_rotation_hands_over_at_its_time_of_day_and_a_turn_stands_in_its_place() -> None:
    weekly = roster(
        at="08:00", rotation={"from": "2026-01-01", "days": 7, "recipients": ["a", "b", "c"]},
        turns=[{"from": "2026-01-24", "to": "2026-01-26", "recipients": ["d", "a"]}],
    )  # fmt: skip
    expected = [
        ("2026-01-01T00:00", ("a",)),  # the first hand-over is of nobody
        ("2026-01-08T07:59", ("a",)),
        ("2026-01-08T08:00", ("b",)),
        ("2026-01-15T08:00", ("c",)),
        ("2026-01-22T08:00", ("a",)),
        ("2026-01-24T08:00", ("d", "a")),
        ("2026-01-26T07:59", ("d", "a")),
        ("2026-01-26T08:00", ("a",)),
        ("2026-01-29T08:00", ("b",)),
    ]
    assert [(text, on_call(weekly, at(text))) for text, _ in expected] == expected


def test_turns_by_dates_follow_each_other_and_nobody_is_on_call_outside_of_the_roster() -> None:
    dated = roster("2026-03-01", turns=[{"from": "2026-01-01", "recipients": ["a"]},
                                        {"from": "2026-02-01", "to": "2026-03-01", "recipients": ["b"]}])  # fmt: skip
    asked = ["2025-12-31T23:59", "2026-01-31T23:59", "2026-02-01T00:00", "2026-03-01T00:00"]
    assert [on_call(dated, at(text)) for text in asked] == [(), ("a",), ("b",), ()]
