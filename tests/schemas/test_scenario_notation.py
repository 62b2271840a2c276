"""How scenarios write times and values."""

import datetime as dt
from decimal import Decimal

import pytest

from schemas.scenarios import (
    NotationError,
    Sent,
    Worth,
    parse_instant,
    parse_instants,
    parse_sent,
    parse_window,
    parse_worth,
)
from schemas.windows import HOUR_MS, local_ms

DAY = dt.date(2026, 3, 2)
MIDNIGHT = local_ms(2026, 3, 2)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("08:15", MIDNIGHT + 8 * HOUR_MS + 15 * 60_000),
        ("08:15:30", MIDNIGHT + 8 * HOUR_MS + 15 * 60_000 + 30_000),
        ("24:00", MIDNIGHT + 24 * HOUR_MS),
        ("2026-03-02", MIDNIGHT),
        ("2026-03-02 01:00", MIDNIGHT + HOUR_MS),
        ("2026-03-01T24:00", MIDNIGHT),
        ("2026-03-01T16:00Z", MIDNIGHT),
        ("2026-03-01T17:00+01:00", MIDNIGHT),
    ],
)
def test_a_time_is_an_instant(text: str, at: int) -> None:
    assert parse_instant(text, DAY) == at


@pytest.mark.parametrize("text", ["", "8:15", "24:01", "2026-02-29", "2026-3-1", "1991-12-31", "08:15+08:00", "now"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_instant(text, DAY)


def test_a_time_of_day_needs_a_day() -> None:
    with pytest.raises(NotationError, match="no time"):
        parse_instant("08:15")


def test_a_run_has_both_its_ends() -> None:
    quarters = parse_instants("00:15..24:00/15min", DAY)
    assert (len(quarters), quarters[0], quarters[-1]) == (96, MIDNIGHT + 900_000, MIDNIGHT + 24 * HOUR_MS)
    assert parse_instants("2026-03-01..2026-03-03/1d", DAY) == [MIDNIGHT + day * 24 * HOUR_MS for day in (-1, 0, 1)]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("100", Sent("100")),
        ("-0.50", Sent("-0.50")),
        ("100 + 0.5", Sent("100", "0.5")),
        ("100 - 0.5", Sent("100", "-0.5")),
        ("7.5 MWh", Sent("7.5", unit="MWh")),
        ("7.5 MWh estimated rev 2", Sent("7.5", None, "MWh", "estimated", 2)),
        ("8 rev 1", Sent("8", rev=1)),
        ("void", Sent(None)),
        ("void rev 3", Sent(None, rev=3)),
    ],
)
def test_a_value_is_sent(text: str, sent: Sent) -> None:
    assert parse_sent(text) == sent


@pytest.mark.parametrize(
    "text", ["", "1e3", "1,5", "void 3", "void kWh", "5 rev", "5 rev -1", "5 kWh m3", "+ 2", "nan"]
)
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_sent(text)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("7.50", Worth(Decimal("7.50"))),
        ("null", Worth(None)),
        ("7.5 kWh measured 75% missing 25 %", Worth(Decimal("7.5"), "kWh", Decimal(75), None, Decimal(25))),
        ("null missing 100 %", Worth(None, missing=Decimal(100))),
    ],
)
def test_a_worth_is_expected(text: str, worth: Worth) -> None:
    assert parse_worth(text) == worth


@pytest.mark.parametrize("text", ["", "kWh", "7.5 measured", "7.5 measured 75", "7.5 kWh 75 %"])
def test_what_is_no_worth_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_worth(text)


def test_an_hour_of_the_day_is_a_window() -> None:
    assert parse_window("T08", DAY).name == "2026-03-02T08"
    assert parse_window("2026-Q1", DAY).kind == "quarter"
    with pytest.raises(NotationError):
        parse_window("T08")
