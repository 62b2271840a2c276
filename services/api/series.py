"""Series over HTTP: `GET /v1/series` is a metric of an entity over time, `GET /v1/latest` its newest points."""

from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.decimals import MICRO, decimal_text, micro
from schemas.documents import MetricError
from schemas.ids import enterprise_of
from schemas.windows import WindowKind, window_at
from services.api.access import Reader, reader
from services.api.answers import LatestAnswer, SeriesAnswer
from services.api.asking import CSV, From, To, csv_answer, json_answer, time_of, time_range, wants_csv
from services.http.problem import Problem
from streams.domain.revising import EVERYTHING
from streams.stores.series import Earlier, WindowPoint

# The store holds doubles. Below 2^33 two neighbouring doubles lie closer together than one millionth, so a value was
# rounded to the double nearest to it and to no other's; above, two values of one millionth may share a double.
EXACT_BELOW = 2**33
COLUMNS = ("start", "value", "status", "measured", "estimated", "missing")

router = APIRouter(tags=["series"])

EntityQuery = Annotated[str, Query(description="kind/id", examples=["enterprise/bz-steel"])]
MetricQuery = Annotated[str, Query(description="A metric", examples=["qty.electricity", "energy.cv", "ind.steel"])]
AsOf = Annotated[
    str | None,
    Query(
        description="Answer what was known at this instant (RFC 3339, or a window by name: its start).",
        examples=["2018-03-20T12:00:00+08:00"],
    ),
]
Exact = Annotated[bool, Query(description="Values as decimal text, exact to one millionth of the unit.")]


@router.get(
    "/v1/series",
    summary="A metric of an entity over time",
    response_model=SeriesAnswer,
    responses={200: {"content": {CSV: {"example": ",".join(COLUMNS) + "\r\n"}}}},
)
def get_series(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    entity: EntityQuery,
    metric: MetricQuery,
    window: Annotated[WindowKind, Query(description="The kind of window.")],
    from_: From = None,
    to: To = None,
    as_of: AsOf = None,
    exact: Exact = False,
) -> Response:
    """Return the windows that are known, by start; CSV when `Accept: text/csv` asks for it.

    A window that nothing was ever heard of is not there; one of which something was expected but nothing came has the
    value null.

    With `as_of`, values and statuses are those that were known at that instant, as the revisions of settled windows
    tell: a window that had not settled by then is provisional and has no value, and one that had not begun is not
    there. Shares of a window that was revised later are null.
    """
    entity = caller.check(entity)
    unit = unit_of(caller, metric)
    start_ms, end_ms = time_range(from_, to)
    store = request.app.state.api.store
    points = store.series(entity, metric, window, start_ms, end_ms)
    if as_of is None:
        shown = [point_of(point, window, exact) for point in points]
    else:
        as_of_ms = time_of(as_of, "as_of")
        earlier = store.earlier(entity, metric, window, start_ms, end_ms, as_of_ms)
        enterprise = enterprise_of(entity)
        whole = entity if enterprise is None else f"enterprise/{enterprise}"
        earlier |= store.earlier(whole, EVERYTHING, window, start_ms, end_ms, as_of_ms)
        grace_ms = caller.snapshot.grace_ms[window]
        shown = [
            point_as_of(point, window, exact, as_of_ms, grace_ms, earlier.get(point.start_ms))
            for point in points
            if point.start_ms <= as_of_ms
        ]
    if wants_csv(request):
        return csv_answer(COLUMNS, (tuple(point.values()) for point in shown))
    return json_answer({"entity": entity, "metric": metric, "unit": unit, "window": window, "points": shown})


@router.get("/v1/latest", summary="The newest point of each window", response_model=LatestAnswer)
def get_latest(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    entity: EntityQuery,
    metric: MetricQuery,
    exact: Exact = False,
) -> Response:
    """Return, by kind of window, the newest point with a value (where none has one, the newest)."""
    entity = caller.check(entity)
    unit = unit_of(caller, metric)
    found = request.app.state.api.store.latest(entity, metric)
    points = {kind: point_of(point, kind, exact) for kind, point in found.items()}
    return json_answer({"entity": entity, "metric": metric, "unit": unit, "points": points})


def unit_of(caller: Reader, metric: str) -> str:
    """Return the unit of a metric as the registry has it; raise the Problem 422 `unknown_metric`."""
    try:
        return caller.snapshot.unit_of(metric)
    except MetricError as error:
        raise Problem(422, "unknown_metric", str(error)) from error
    except KeyError as error:
        raise Problem(422, "unknown_metric", f"{metric[:80]!r} names something that is not registered") from error


def point_of(point: WindowPoint, kind: WindowKind, exact: bool) -> dict[str, Any]:
    """Return a point as the api shows it; raise the Problem 422 `not_exact` where exact text cannot be told."""
    name = window_at(point.start_ms, kind).name
    value: float | str | None = point.value
    if exact and value is not None:
        value = exact_text(value, name)
    return {
        "start": name,
        "value": value,
        "status": "revised" if point.revised else "settled" if point.settled else "provisional",
        "measured": point.measured,
        "estimated": point.estimated,
        "missing": point.missing,
    }


def point_as_of(
    point: WindowPoint, kind: WindowKind, exact: bool, as_of_ms: int, grace_ms: int, earlier: Earlier | None
) -> dict[str, Any]:
    """Return a point as it was known at an instant [epoch ms]; `earlier` is what it was before a later revision."""
    each = window_at(point.start_ms, kind)
    unknown = {"measured": None, "estimated": None, "missing": None}
    # What a window was while it was open is kept nowhere; only what it settled as, and what became of that.
    if as_of_ms < each.end_ms + grace_ms:
        return {"start": each.name, "value": None, "status": "provisional", **unknown}
    if earlier is None:
        return point_of(point, kind, exact)
    value: float | str | None = None
    if earlier.micro is not None:
        value = decimal_text(earlier.micro) if exact else earlier.micro / MICRO
    return {"start": each.name, "value": value, "status": "revised" if earlier.revised else "settled", **unknown}


def exact_text(value: float, name: str) -> str:
    """Return the decimal text that a stored double stands for, to one millionth."""
    if abs(value) >= EXACT_BELOW:
        raise Problem(
            422,
            "not_exact",
            f"the value of {name} is {EXACT_BELOW} or more: the store cannot tell its last digits; ask without exact",
            start=name,
        )
    return decimal_text(micro(Fraction(value)))
