"""InfluxQL is the language in which points are read from InfluxDB: texts of queries, and rows of the answers."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

# Times are nanoseconds in 64 bits inside InfluxDB.
EARLIEST_MS, LATEST_MS = -9_223_372_036_854, 9_223_372_036_854

_STRING = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n"})
_NAME = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class QueryError(Exception):
    """InfluxDB took a query and answered that it cannot be done."""


class Series(NamedTuple):
    """One series of an answer: the tags it was grouped by, and its rows, the time [epoch ms] first."""

    tags: dict[str, str]
    rows: list[list[Any]]


class _AnsweredSeries(msgspec.Struct):
    # JSON does not tell 2.0 from 2: declared as floats, all numbers come as floats.
    values: list[list[float | str | None]]
    tags: dict[str, str] = {}


class _AnsweredStatement(msgspec.Struct):
    series: list[_AnsweredSeries] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_AnsweredStatement] = []
    error: str = ""


_decode = msgspec.json.Decoder(_Answer).decode


def string(value: str) -> str:
    """Return a text as a string of the language."""
    return f"'{value.translate(_STRING)}'"


def name(value: str) -> str:
    """Return a text as a name: of a measurement, a tag or a field."""
    return f'"{value.translate(_NAME)}"'


def one_of(tag: str, values: Iterable[str]) -> str:
    """Return the condition that a tag has one of the values.

    Each value is looked up in the index; a pattern would be held against every value that the tag has anywhere.
    """
    return f"({' OR '.join(f'{name(tag)} = {string(value)}' for value in sorted(values))})"


def between(from_ms: int, to_ms: int) -> str:
    """Return the condition of a time in the half-open range [epoch ms]."""
    first, end = (min(max(each, EARLIEST_MS), LATEST_MS) for each in (from_ms, to_ms))
    return f"time >= {first}ms AND time < {end}ms"


def columns(fields: Sequence[str], tags: Sequence[str] = ()) -> str:
    """Return a list of fields and tags to select."""
    return ", ".join([*(f"{name(field)}::field" for field in fields), *(f"{name(tag)}::tag" for tag in tags)])


def rows_of(body: bytes) -> list[list[Series]]:
    """Return the series of each statement of an answer; raise QueryError, or ValueError when it is no answer."""
    answer = _decode(body)
    # One statement's fault ends the others, which then say no more than that.
    if errors := {each: None for each in (answer.error, *(result.error for result in answer.results)) if each}:
        raise QueryError("; ".join(errors))
    return [
        [
            Series(one.tags, [[int(row[0]), *row[1:]] for row in one.values if isinstance(row[0], float)])
            for one in found
        ]
        for found in (result.series for result in answer.results)
    ]
