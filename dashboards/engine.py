"""The engine is the processes themselves: how long ago each was heard of, how far behind it is."""

from dashboards.influxql import IN_RANGE, Measurement, Query, newest, select
from schemas.series import ENGINE

_ENGINE = Measurement(ENGINE)


def processes() -> Query:
    """Return the newest heartbeat [epoch ms] and lag [messages] of each process; whenever that was."""
    return newest(_ENGINE, "heartbeat", {"heartbeat": "heartbeat", "lag": "lag"}, [], ["process"])


def lag() -> Query:
    """Return the greatest lag [messages] of each process in each interval."""
    return select(_ENGINE, {"lag": f"max({_ENGINE.field('lag')})"}, [IN_RANGE], by=["process"], every="$__interval")


def beats(every: str) -> Query:
    """Return how many heartbeats of each process came in each interval; 0 where there was none."""
    count = {"beats": f"count({_ENGINE.field('heartbeat')})"}
    return select(_ENGINE, count, [IN_RANGE], by=["process"], every=every, fill="0")


def newest_lag() -> Query:
    """Return the newest lag [messages] of each process in the range."""
    return select(_ENGINE, {"lag": f"last({_ENGINE.field('lag')})"}, [IN_RANGE], by=["process"])
