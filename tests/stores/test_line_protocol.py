"""Lines as InfluxDB takes them: what is written is what is read, and nothing else gets in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.series import FIELDS, TAGS, Point
from schemas.windows import LATEST_MS
from streams.stores.line_protocol import LineError, line_of, probe_like, series_and_time

TEXTS = st.text(min_size=1, max_size=30)
NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53))


@st.composite
def points(draw: st.DrawFn) -> Point:
    measurement = draw(st.sampled_from(sorted(TAGS)))
    tags = tuple(draw(TEXTS) for _ in TAGS[measurement])
    fields = tuple(draw(NUMBERS) for _ in FIELDS[measurement])
    return Point(measurement, tags, draw(st.integers(0, LATEST_MS - 1)), fields)


def parsed(line: str) -> Point:
    """Read a line by the rules of the protocol, written down a second time."""
    head, fields, time_ms = re.split(r"(?<!\\) ", line)
    measurement, *tags = re.split(r"(?<!\\),", head)
    named = dict(re.split(r"(?<!\\)=", tag) for tag in tags)
    plain = {name: re.sub(r"\\([,= ])", r"\1", value) for name, value in named.items()}
    numbers = dict(each.split("=") for each in fields.split(","))
    assert not any(number.endswith("i") for number in numbers.values())
    values = tuple(float(numbers[name]) if name in numbers else None for name in FIELDS[measurement])
    return Point(measurement, tuple(plain[name] for name in TAGS[measurement]), int(time_ms), values)


@given(points())
def test_a_line_says_what_its_point_says_or_there_is_none(point: Point) -> None:
    try:
        line = line_of(point)
    except LineError:
        assert any(re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]|\\$|\\[\\, =]", tag) for tag in point.tags)
        return
    if line is None:
        assert not any(value is not None for value in point.fields)
        return
    assert len(line.splitlines()) == 1
    assert parsed(line) == point


@pytest.mark.parametrize("tag", ["", "a\nb", "a\rb", "a\tb", "\x00", "a\u2028b", "a\\", "a\\ b", "a\\\\b", "x" * 9000])
def test_a_tag_that_would_break_the_line_is_refused(tag: str) -> None:
    with pytest.raises(LineError, match="tag"):
        line_of(Point("reading", (tag, "0"), 0, (1.0, 0.0, 0.0)))


@pytest.mark.parametrize("time_ms", [-1, LATEST_MS, 10**18])
def test_a_time_that_is_none_is_refused(time_ms: int) -> None:
    with pytest.raises(LineError, match="time"):
        line_of(Point("reading", ("a.b", "0"), time_ms, (1.0, 0.0, 0.0)))


def test_a_whole_number_is_written_as_a_float() -> None:
    assert line_of(Point("engine", ("sink",), 5, (3, None))) == "engine,process=sink heartbeat=3.0 5"


def test_a_probe_is_of_the_same_time_and_of_nothing_else() -> None:
    line = "hour,entity=a\\ b,metric=m value=1.0 3600000"
    assert probe_like(line) == "probe value=1.0 3600000"
    assert series_and_time(line) == "hour,entity=a\\ b,metric=m 3600000"
