"""What decides on the board: numbers as text, weather, standings, trends; all without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.windows import HOUR_MS, local_ms, window
from services.console.coverage import coverage
from services.console.ledger import Ledger
from services.console.numerals import UNKNOWN, amount, change, column, number, percent, window_text
from services.console.session import own_path
from services.console.standing import Standing, Tier, newest
from services.console.trend import shape, shown_hour, trend
from services.console.weather import Weather, counts, weather, worst
from services.console.words import LANGUAGES, language_of, words
from streams.stores.series import WindowPoint

DAY_MS = local_ms(2018, 3, 14)
TIERS = (
    Tier("advanced", 80.0, "80", "info"),
    Tier("access", 87.0, "87", "warning"),
    Tier("limit", 94.0, "94", "critical"),
)


def hour(place: int, value: float | None, missing: float = 0.0) -> WindowPoint:
    return WindowPoint(DAY_MS + place * HOUR_MS, value, 1 - missing, 0.0, missing, settled=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, UNKNOWN),
        (0.0, "0"),
        (0.1724, "0.1724"),
        (3.0137, "3.014"),
        (60.094, "60.09"),
        (681.54, "681.5"),
        (12345.6, "12,346"),
        (-2.5, "−2.500"),
        (-0.00001, "0.0000"),
    ],
)
def test_a_number_has_about_four_digits_and_what_is_unknown_is_a_dash(value: float | None, text: str) -> None:
    assert number(value) == text


def test_numbers_below_each_other_have_the_same_decimals() -> None:
    assert column([0.0211, 12.5, None]) == ["0.02", "12.50", UNKNOWN]


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (1, "100%"), (0.99999, "99.9%"), (0.0001, "0.1%"), (None, UNKNOWN)]
)
def test_a_percentage_says_all_and_nothing_only_of_all_and_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_coal_equivalent_and_carbon_dioxide_are_shown_in_tonnes() -> None:
    assert amount(1500.0, "kgce") == (1.5, "tce")
    assert amount(None, "kgCO2") == (None, "tCO₂")
    assert amount(7.0, "kWh") == (7.0, "kWh")


def test_a_change_shows_its_sign() -> None:
    assert [change(0.0312), change(-0.1), change(0.00001), change(None)] == ["+3.1%", "−10.0%", "0.0%", UNKNOWN]


def test_an_hour_is_called_by_its_times_and_a_month_by_its_name() -> None:
    assert window_text(window("2018-03-14T23")) == "23:00–00:00"
    assert window_text(window("2018-03")) == "2018-03"


@pytest.mark.parametrize(
    ("severities", "known", "expected"),
    [
        ((), 1.0, Weather.CLEAR),
        ((), 0.5, Weather.CLEAR),
        ((), 0.49, Weather.FOG),
        ((), None, Weather.FOG),
        (("info",), None, Weather.CLOUDY),
        (("info", "critical", "warning"), 1.0, Weather.STORM),
        (("never-heard-of",), 1.0, Weather.CLOUDY),
    ],
)
def test_the_weather_is_that_of_the_gravest_or_else_whether_one_can_see(
    severities: tuple[str, ...], known: float | None, expected: Weather
) -> None:
    assert weather(severities, known) is expected


def test_a_territory_has_the_worst_weather_in_it_and_without_anybody_fog() -> None:
    several = [Weather.CLEAR, Weather.RAIN, Weather.FOG, Weather.CLEAR]
    assert worst(several) is Weather.RAIN
    assert worst([]) is Weather.FOG
    assert counts(several) == [(Weather.RAIN, 1), (Weather.FOG, 1), (Weather.CLEAR, 2)]


def test_a_value_beyond_the_second_tier_has_passed_it_and_has_so_much_left_to_the_third() -> None:
    standing = Standing(TIERS, window("2018-02"), 89.96)
    assert standing.passed == TIERS[1]
    assert standing.ahead == TIERS[2]
    assert standing.margin == pytest.approx(4.04)
    assert standing.share == pytest.approx(89.96 / 94)


def test_a_value_beyond_the_last_tier_is_so_much_beyond_it() -> None:
    standing = Standing(TIERS, window("2018-02"), 100.0)
    assert (standing.passed, standing.ahead, standing.margin) == (TIERS[2], TIERS[2], -6.0)


def test_a_value_on_a_tier_has_not_passed_it() -> None:
    assert Standing(TIERS, window("2018-02"), 80.0).passed is None


@pytest.mark.parametrize("last", [0.0, -5.0])
def test_a_share_of_a_limit_is_told_only_where_the_limit_is_positive(last: float) -> None:
    standing = Standing((Tier("limit", last, str(last), "critical"),), window("2018"), -8.0)
    assert standing.share is None
    assert standing.margin == last + 8.0


@given(st.floats(-1e6, 1e6), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5, unique=True))
def test_every_tier_and_the_value_lie_on_the_scale(value: float, bounds: list[float]) -> None:
    tiers = tuple(Tier(f"t{at}", bound, "", "info") for at, bound in enumerate(sorted(bounds)))
    standing = Standing(tiers, None, value)
    assert all(0 <= standing.place(mark) <= 1 for mark in [value, *bounds])


def test_the_latest_window_that_has_a_denominator_counts_and_of_equals_the_shortest() -> None:
    month = WindowPoint(local_ms(2018, 2), 89.96, 1.0, 0.0, 0.0, settled=True)
    quarter = WindowPoint(local_ms(2018, 1), 85.0, 1.0, 0.0, 0.0, settled=False)
    year = quarter._replace(value=86.0)
    assert newest({"month": month, "quarter": quarter, "year": year, "day": month}) == (window("2018-02"), 89.96)
    assert newest({"quarter": quarter, "year": year}) == (window("2018-Q1"), 85.0)
    assert newest({"month": month._replace(value=None)}) is None


def test_today_is_held_against_the_whole_hours_that_both_days_have() -> None:
    yesterday = [hour(place - 24, 10.0) for place in range(24)]
    today = [hour(0, 12.0), hour(1, 12.0), hour(2, None, 1.0), hour(3, 1.0, 0.9), hour(4, 3.0)]
    found = trend([*yesterday, *today], DAY_MS, DAY_MS + 4 * HOUR_MS + HOUR_MS // 2)
    assert found.compared == 2
    assert found.ratio == pytest.approx(0.2)
    assert found.today[2] is not None
    assert found.today[2].value is None


def test_without_yesterday_there_is_no_comparison() -> None:
    found = trend([hour(0, 12.0)], DAY_MS, DAY_MS + 2 * HOUR_MS)
    assert (found.compared, found.ratio) == (0, None)


def test_the_hour_shown_is_the_present_one_or_else_the_newest_whole_one() -> None:
    now_ms = DAY_MS + 5 * HOUR_MS + 1
    assert shown_hour([hour(4, 1.0), hour(5, 0.2, 0.8)], now_ms) == DAY_MS + 5 * HOUR_MS
    assert shown_hour([hour(2, 1.0), hour(3, 1.0), hour(4, 0.5, 0.5), hour(5, None)], now_ms) == DAY_MS + 3 * HOUR_MS
    assert shown_hour([hour(4, 0.5, 0.5)], now_ms) == DAY_MS + 4 * HOUR_MS
    assert shown_hour([], now_ms) == DAY_MS + 5 * HOUR_MS


def test_the_shape_of_a_day_breaks_where_an_hour_is_not_whole() -> None:
    runs = shape([hour(0, 1.0), hour(1, 2.0), hour(2, 9.0, 0.5), hour(3, 1.0)], DAY_MS)
    assert runs == [[(0.0, 1 / 3), (1 / 24, 1.0)], [(3 / 24, 1 / 3)]]


def test_what_was_never_expected_has_no_coverage() -> None:
    assert coverage(None) is None
    assert coverage(WindowPoint(0, None, None, None, None, settled=False)) is None
    found = coverage(hour(0, 1.0, 0.25))
    assert found is not None
    assert found.texts == {"measured": "75.0%", "estimated": "0%", "missing": "25.0%"}


def test_a_ledger_tells_what_changed_since_any_change() -> None:
    ledger = Ledger()
    assert ledger.put({"a": 1, "b": 2})
    assert ledger.put({"a": 1, "b": 3})
    assert not ledger.put({"a": 1, "b": 3})
    assert ledger.number == 2
    assert ledger.since(1) == {"b": 3}
    assert ledger.since(0) == {"a": 1, "b": 3}
    assert ledger.put({"a": 1})
    assert ledger.since(0) == {"a": 1}


def test_both_catalogues_have_the_same_keys_and_the_same_places_to_fill() -> None:
    first, second = (words(language).texts for language in LANGUAGES)
    assert first.keys() == second.keys()
    for key, text in first.items():
        assert _places(text) == _places(second[key]), key


def _places(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}


@pytest.mark.parametrize(
    ("header", "language"),
    [("en-GB,en;q=0.9", "en"), ("fr, zh-TW;q=0.8, en;q=0.5", "zh"), ("", "zh"), ("de", "zh"), ("en;q=x", "zh")],
)
def test_the_language_is_the_first_preferred_one_that_there_is(header: str, language: str) -> None:
    assert language_of(header) == language


@pytest.mark.parametrize(
    "text",
    ["https://evil.example/board", "//evil.example/board", "/login", "", "/board\\@evil", "/boardx", "/board/\n"],
)
def test_one_is_led_on_to_pages_of_the_board_only(text: str) -> None:
    assert own_path(text) == "/board"


def test_one_is_led_back_to_where_one_was() -> None:
    assert own_path("/board/city/bazhong") == "/board/city/bazhong"
