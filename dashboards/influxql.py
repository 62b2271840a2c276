"""An InfluxQL query over the series contract: no name in it that the contract does not know.

Grafana puts in what begins with `$`: the range (`$timeFilter`), the range's end (`${__to}` [epoch ms]), an interval
that suits the panel's width (`$__interval`), and the dashboard's variables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog import builder, variants

from dashboards.names import DATA_SOURCE_TYPE, DATA_SOURCE_UIDS
from schemas.series import BUCKET_OF, FIELDS, TAGS

IN_RANGE = "$timeFilter"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement of the contract, whose tags and fields are asked for by name."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in TAGS:
            raise KeyError(f"measurement {self.name!r} is not in schemas/series.py")

    def tag(self, name: str) -> str:
        """Return a tag as it stands in a query; KeyError where the contract has none of this name."""
        return self._known(name, TAGS[self.name], "tag")

    def field(self, name: str) -> str:
        """Return a field as it stands in a query; KeyError where the contract has none of this name."""
        return self._known(name, FIELDS[self.name], "field")

    def _known(self, name: str, names: Sequence[str], kind: str) -> str:
        if name not in names:
            raise KeyError(f"measurement {self.name!r} has no {kind} {name!r} in schemas/series.py")
        return f'"{name}"'


@dataclass(frozen=True, slots=True)
class Query:
    """The text of a query, and the measurement that it reads."""

    measurement: str
    text: str

    @property
    def data_source(self) -> dict[str, str]:
        """The data source of the bucket that holds the measurement, as panels refer to it."""
        return {"type": DATA_SOURCE_TYPE, "uid": DATA_SOURCE_UIDS[BUCKET_OF[self.measurement]]}


def select(
    measurement: Measurement,
    columns: Mapping[str, str],
    where: Sequence[str] = (),
    *,
    by: Sequence[str] = (),
    every: str = "",
    fill: str = "none",
) -> Query:
    """Return a query for columns (name: expression) of the points where all conditions hold.

    Args:
        measurement: whose points.
        columns: what each column of the answer is called, and its expression.
        where: conditions.
        by: tags that make a series each.
        every: an interval that points are gathered in; `fill` is what an interval without points holds.
        fill: `none`: it is left out; `0`: for counts.
    """
    chosen = ", ".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    text = f'SELECT {chosen} FROM "{measurement.name}"'
    return Query(measurement.name, text + _rest(measurement, where, by, every, fill))


def newest(
    measurement: Measurement,
    by_field: str,
    columns: Mapping[str, str],
    where: Sequence[str],
    by: Sequence[str],
    *,
    keep: str = "",
    flat: bool = False,
) -> Query:
    """Return a query for columns (name: field) of the newest point of each series, all of that one point.

    The newest is the last that has `by_field`. `keep` is a condition on columns: points that do not fulfil it are left
    out, and no older one comes in their place. `flat` makes one series of all, with the tags as columns: Grafana may
    mix the tags of a table up where there are several.
    """
    first = f'last({measurement.field(by_field)}) AS "{by_field}"'
    others = (f'{measurement.field(field)} AS "{name}"' for name, field in columns.items() if name != by_field)
    inner = f'SELECT {", ".join([first, *others])} FROM "{measurement.name}"' + _rest(measurement, where, by, "", "")
    tags = [measurement.tag(tag) for tag in by]
    names = ", ".join([*(tags if flat else ()), *(f'"{name}"' for name in columns)])
    condition = f" WHERE {keep}" if keep else ""
    groups = f" GROUP BY {', '.join(tags)}" if tags and not flat else ""
    return Query(measurement.name, f"SELECT {names} FROM ({inner}){condition}{groups}")


def count_of(query: Query, column: str, name: str) -> Query:
    """Return a query for the number of rows of another one."""
    return Query(query.measurement, f'SELECT count("{column}") AS "{name}" FROM ({query.text})')


def tag_values(measurement: Measurement, tag: str, where: Sequence[str] = ()) -> Query:
    """Return a query for all values of a tag."""
    text = f'SHOW TAG VALUES FROM "{measurement.name}" WITH KEY = {measurement.tag(tag)}'
    return Query(measurement.name, text + _rest(measurement, where, (), "", ""))


def series_keys(measurement: Measurement, where: Sequence[str] = ()) -> Query:
    """Return a query for the keys of series, such as `member,entity=enterprise/a,group=city/b,name=c`."""
    return Query(measurement.name, f'SHOW SERIES FROM "{measurement.name}"' + _rest(measurement, where, (), "", ""))


def _rest(measurement: Measurement, where: Sequence[str], by: Sequence[str], every: str, fill: str) -> str:
    text = f" WHERE {' AND '.join(where)}" if where else ""
    groups = [*([f"time({every})"] if every else []), *(measurement.tag(tag) for tag in by)]
    if groups:
        text += f" GROUP BY {', '.join(groups)}"
    return text + (f" fill({fill})" if every else "")


class InfluxQuery(variants.Dataquery):
    """A query as a panel holds it: `alias` names its series (`$tag_entity`, `$col`), `table` asks for one table."""

    def __init__(self, ref_id: str, query: Query, alias: str = "", *, table: bool = False) -> None:
        self.ref_id = ref_id
        self.query = query
        self.alias = alias
        self.table = table

    def to_json(self) -> dict[str, object]:
        """Return the object that Grafana reads."""
        found: dict[str, Any] = {
            "refId": self.ref_id,
            "datasource": self.query.data_source,
            "query": self.query.text,
            "rawQuery": True,
            "resultFormat": "table" if self.table else "time_series",
        }
        if self.alias:
            found["alias"] = self.alias
        return found


class Target(builder.Builder[variants.Dataquery]):
    """Gives an InfluxQuery to the builders of panels."""

    def __init__(self, query: InfluxQuery) -> None:
        self._query = query

    def build(self) -> variants.Dataquery:
        """Return the query."""
        return self._query
