"""Series over HTTP: `GET /v1/series` is a metric of an entity over time, `GET /v1/latest` its newest points."""

from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.decimals import decimal_text, micro
from schemas.documents import MetricError
from schemas.windows import WindowKind, window_at
from services.api.access import Reader, reader
from services.api.answers import LatestAnswer, SeriesAnswer
from services.api.asking import CSV, From, To, csv_answer, json_answer, time_range, wants_csv
from services.http.problem import Problem
from streams.stores.series import WindowPoint

# The store holds doubles. Below 2^33 two neighbouring doubles lie closer together than one millionth, so a value was
# rounded to the double nearest to it and to no other's; above, two values of one millionth may share a double.
EXACT_BELOW = 2**33
COLUMNS = ("start", "value", "status", "measured", "estimated", "missing")

router = APIRouter(tags=["series"])

EntityQuery = Annotated[str, Query(description="kind/id", examples=["enterprise/bz-steel"])]
MetricQuery = Annotated[str, Query(description="A metric", examples=["qty.electricity", "energy.cv", "ind.steel"])]
Exact = Annotated[bool, Query(description="Values as decimal text, exact to one millionth of the unit.")]


@router.get(
    "/v1/series",
    summary="A metric of an entity over time",
    response_model=SeriesAnswer,
    responses={200: {"content": {CSV: {"example": ",".join(COLUMNS) + "\r\n"}}}, 501: {"description": "as_of"}},
)
def get_series(
    request: Request,
    caller: Annotated[Reader, Depends(reader)],
    entity: EntityQuery,
    metric: MetricQuery,
    window: Annotated[WindowKind, Query(description="The kind of window.")],
    from_: From = None,
    to: To = None,
    as_of: Annotated[str | None, Query(description="Not answered yet (501).")] = None,
    exact: Exact = False,
) -> Response:
    """Return the windows that are known, by start; CSV when `Accept: text/csv` asks for it.

    A window that nothing was ever heard of is not there; one of which something was expected but nothing came has the
    value null.
    """
    if as_of is not None:
        raise Problem(501, "as_of_not_supported", "as_of is not answered yet: leave it out")
    entity = caller.check(entity)
    unit = unit_of(caller, metric)
    start_ms, end_ms = time_range(from_, to)
    points = request.app.state.api.store.series(entity, metric, window, start_ms, end_ms)
    shown = [point_of(point, window, exact) for point in points]
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
