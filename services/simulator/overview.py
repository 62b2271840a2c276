"""An overview is what the api says of the city at one moment: the figures of each entity, its limits, the alarms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import httpx

from schemas.documents.indicator import SEVERITIES
from schemas.windows import HOUR_MS, window, window_at

ANSWER_S = 10.0
METRICS = ("energy.cv", "energy.eq", "co2.total")
# An intensity is of the newest month that has its denominator; a day's stands in until there is one.
INTENSITY_WINDOWS = ("month", "day")
KINDS = ("city", "county", "park", "enterprise")
ALARMS_SHOWN = 8
# What is passed now, and what was when its period settled.
_STANDING = ("firing", "established")
# However many are firing: an alarm that ends is news too.
ENDED_SHOWN = 2
# On a clock of an hour a second, the seconds that a reading needs until it can be asked for are as many hours.
LIVE_WITHIN_MS = 6 * HOUR_MS
_PAGE = 1000
# Among so many of the newest there are enough that were ever raised.
_NEWEST = 100

Points = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """An intensity that a limit holds an enterprise to: the newest point, its unit, the tiers as (id, max)."""

    point: dict[str, Any]
    unit: str
    tiers: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """An entity with, by metric, its newest point of each kind of window, as `/v1/latest` gives them.

    `hour` is the newest hour of `energy.cv` of which nothing is missing; where there is none lately, the newest one.
    """

    entity: str
    name: str
    points: dict[str, Points]
    hour: dict[str, Any] | None
    held: Held | None = None

    @property
    def kind(self) -> str:
        """The entity's kind."""
        return self.entity.partition("/")[0]

    def point(self, metric: str, window: str) -> dict[str, Any] | None:
        """Return the newest point of a metric in a kind of window; None when there is none."""
        return self.points.get(metric, {}).get(window)

    @property
    def hour_kgce(self) -> float | None:
        """Coal equivalent of that hour by calorific value [kgce]; None when it is missing."""
        return None if self.hour is None else self.hour["value"]

    def value(self, metric: str, window: str) -> float | None:
        """Return the value of that point; None when it is missing."""
        point = self.point(metric, window)
        return None if point is None else point["value"]


@dataclass(frozen=True, slots=True)
class Overview:
    """Lines by city, counties, parks, enterprises; alarms: firing by gravity, then the newest of the others."""

    lines: tuple[Line, ...]
    alarms: tuple[dict[str, Any], ...]
    firing: int

    def live(self, now_ms: int) -> bool:
        """Tell whether the city has a figure of an hour that is not long over at an instant [epoch ms]."""
        for line in self.lines:
            if line.kind == "city" and line.hour is not None and line.hour["value"] is not None:
                return window(line.hour["start"]).end_ms > now_ms - LIVE_WITHIN_MS
        return False


class _Limit(NamedTuple):
    indicator: str
    unit: str
    tiers: tuple[tuple[str, float], ...]


class OverviewReader:
    """Reads overviews over HTTP; raises httpx.HTTPError when the api does not answer as it should."""

    def __init__(self, api: str, token: str, root: str) -> None:
        """Look at what lies in the territory `root`."""
        self._http = httpx.Client(base_url=api, headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_S)
        self._root = root
        self._entities: list[tuple[str, str]] = []
        self._limits: dict[str, _Limit] = {}

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def read(self) -> Overview:
        """Return the overview as it is now."""
        if not self._entities:
            self._entities = sorted(self._listed(), key=lambda one: KINDS.index(one[0].partition("/")[0]))
            self._limits = dict(self._listed_limits())
        standing = (self._get("/v1/alarms", condition=each, limit=_PAGE)["items"] for each in _STANDING)
        firing = [one for items in standing for one in items]
        newest = self._get("/v1/alarms", limit=_NEWEST)["items"]
        ended = [one for one in newest if one["seq"] and one["condition"] not in _STANDING]
        return Overview(
            lines=tuple(self._line(entity, name) for entity, name in self._entities),
            alarms=alarms_shown(firing, ended),
            firing=len(firing),
        )

    def _listed(self) -> Sequence[tuple[str, str]]:
        items = self._get("/v1/entities", **{"in": self._root, "limit": _PAGE})["items"]
        return [
            (item["entity"], item["name"].get("en") or item["entity"])
            for item in items
            if item["entity"].partition("/")[0] in KINDS
        ]

    def _listed_limits(self) -> Iterator[tuple[str, "_Limit"]]:
        units = {one["id"]: one["spec"]["unit"] for one in self._get("/v1/registry/indicator", limit=_PAGE)["items"]}
        for limit in self._get("/v1/registry/limit", limit=_PAGE)["items"]:
            spec = limit["spec"]
            tiers = tuple((tier["id"], float(tier["max"])) for tier in spec["tiers"])
            for id_ in (spec.get("select") or {}).get("id") or ():
                yield f"enterprise/{id_}", _Limit(spec["indicator"], units[spec["indicator"]], tiers)

    def _line(self, entity: str, name: str) -> Line:
        points = {metric: self._latest(entity, metric) for metric in METRICS}
        newest = points[METRICS[0]].get("hour")
        return Line(entity, name, points, newest and self._whole_hour(entity, newest), self._held(entity))

    def _held(self, entity: str) -> Held | None:
        limit = self._limits.get(entity)
        if limit is None:
            return None
        points = self._latest(entity, f"ind.{limit.indicator}")
        point = next(
            (points[kind] for kind in INTENSITY_WINDOWS if points.get(kind, {}).get("value") is not None), None
        )
        return point and Held(point, limit.unit, limit.tiers)

    def _latest(self, entity: str, metric: str) -> Points:
        return self._get("/v1/latest", entity=entity, metric=metric)["points"]

    def _whole_hour(self, entity: str, newest: dict[str, Any]) -> dict[str, Any]:
        if newest["missing"] == 0:
            return newest
        since = window_at(window(newest["start"]).end_ms - LIVE_WITHIN_MS, "hour").name
        query = {"entity": entity, "metric": METRICS[0], "window": "hour", "from": since, "to": newest["start"]}
        points = self._get("/v1/series", **query)["points"]
        return next((point for point in reversed(points) if point["missing"] == 0), newest)

    def _get(self, path: str, **query: Any) -> Any:
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()


def alarms_shown(firing: Sequence[dict[str, Any]], ended: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return at most `ALARMS_SHOWN` alarms: firing by gravity, then ended, newest first, which keep `ENDED_SHOWN`."""
    by_gravity = sorted(firing, key=_by_weight, reverse=True)[: ALARMS_SHOWN - min(len(ended), ENDED_SHOWN)]
    newest = sorted(ended, key=itemgetter("known"), reverse=True)
    return (*by_gravity, *newest[: ALARMS_SHOWN - len(by_gravity)])


def _by_weight(alarm: dict[str, Any]) -> tuple[int, int]:
    return SEVERITIES.index(alarm["severity"]), alarm["known"]
