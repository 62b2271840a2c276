"""Asking is what queries have in common: times as window names or instants, pages by cursor, JSON or CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query, Request, Response

from schemas.instants import InstantError, instant_ms
from schemas.windows import EARLIEST_MS, LATEST_MS, WindowError, window
from services.http.problem import Problem

PAGE = 100
MAX_PAGE = 1000
JSON, CSV = "application/json", "text/csv"

_TIME = "A window by name (2018-01-01T08, 2018-01-01, 2018-01, 2018-Q1, 2018: its start) or an RFC 3339 instant."
From = Annotated[str | None, Query(alias="from", description=f"The first start to show. {_TIME}")]
To = Annotated[str | None, Query(alias="to", description=f"Starts at this time and later are not shown. {_TIME}")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many items in one answer.")]
Cursor = Annotated[str | None, Query(description="`next` of the answer before, to go on from there.")]

T = TypeVar("T")


def time_range(from_: str | None, to: str | None) -> tuple[int, int]:
    """Return the half-open range `[from, to)` [epoch ms] of two texts; raise the Problem 422 `bad_time`."""
    start_ms = EARLIEST_MS if from_ is None else time_of(from_, "from")
    end_ms = LATEST_MS if to is None else time_of(to, "to")
    if end_ms < start_ms:
        raise Problem(422, "bad_time", f"to={to} is before from={from_}")
    return start_ms, end_ms


def time_of(text: str, name: str) -> int:
    """Return the instant [epoch ms] that parameter `name` says; raise the Problem 422 `bad_time`."""
    try:
        return window(text).start_ms
    except WindowError:
        pass
    try:
        # A plus sign that a query string was not encoded for arrives as a blank.
        return instant_ms(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except InstantError as error:
        raise Problem(
            422,
            "bad_time",
            f"{name}={text[:60]} is no window (2018-01-01T08, 2018-01-01, 2018-01, 2018-Q1, 2018) "
            "and no instant such as 2018-01-01T08:00:00+08:00",
        ) from error


def page(items: Sequence[T], keys: Sequence[str], cursor: str | None, limit: int) -> tuple[list[T], str | None]:
    """Return the page of items (sorted by their keys) that begins after the key `cursor`, and its `next`."""
    start = 0
    if cursor is not None:
        start = next((n for n, key in enumerate(keys) if key > cursor), len(items))
    end = start + limit
    return list(items[start:end]), keys[end - 1] if end < len(items) else None


def wants_csv(request: Request) -> bool:
    """Return whether the caller prefers CSV to JSON by its `Accept`."""
    weights = {JSON: 0.0, CSV: 0.0}
    for part in request.headers.get("accept", "").split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        for media in weights:
            if name in (media, media.partition("/")[0] + "/*") or (name == "*/*" and media == JSON):
                weights[media] = max(weights[media], weight)
    return weights[CSV] > weights[JSON]


def json_answer(body: Any, headers: dict[str, str] | None = None) -> Response:
    """Return a body as JSON; it may hold what msgspec encodes."""
    return Response(msgspec.json.encode(body), headers=headers, media_type=JSON)


def csv_answer(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Return rows as CSV (RFC 4180); None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return Response(text.getvalue(), media_type=f"{CSV}; charset=utf-8")
