"""Asking is what Grafana does with a query: it puts in the range and the chosen values, and reads the answer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from dashboards.names import DATA_SOURCE_UIDS

Value = str | list[str]
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_SPECIAL = re.compile(r"([\\^$*+?.()|\[\]{}/])")


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its tags, and its rows by column."""

    tags: dict[str, str]
    rows: list[dict[str, Any]]


class Asker:
    """Asks an InfluxDB as our data sources do: InfluxQL, the bucket as database, a token that may only read."""

    def __init__(self, address: str, token: str, prefix: str) -> None:
        self._prefix = prefix
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=30)

    def close(self) -> None:
        self._http.close()

    def ask(self, data_source_uid: str, text: str) -> list[Series]:
        """Return the series of the answer to a query in which nothing is left to be put in."""
        assert "$" not in re.sub(r"\$/", "/", text), f"left to be put in: {text}"
        bucket = next(bucket for bucket, uid in DATA_SOURCE_UIDS.items() if uid == data_source_uid)
        answer = self._http.get("/query", params={"db": self._prefix + bucket, "epoch": "ms", "q": text})
        assert answer.status_code == 200, f"{answer.text} for {text}"
        (result,) = answer.json()["results"]
        assert "error" not in result, f"{result['error']} for {text}"
        return [
            Series(one.get("tags", {}), [dict(zip(one["columns"], row, strict=True)) for row in one["values"]])
            for one in result.get("series", ())
        ]


def put_in(text: str, from_ms: int, to_ms: int, values: Mapping[str, Value], interval: str = "1m") -> str:
    """Return a query with the range, the interval and the chosen values in it."""
    text = text.replace("$timeFilter", f"time >= {from_ms}ms and time <= {to_ms}ms").replace("$__interval", interval)
    known: dict[str, Value] = {**values, "__to": str(to_ms), "__from": str(from_ms)}
    return _VARIABLE.sub(lambda found: _formatted(known[found[1]], found[2] or ""), text)


def _formatted(value: Value, form: str) -> str:
    if form == "regex":
        parts = [_SPECIAL.sub(r"\\\1", one) for one in ([value] if isinstance(value, str) else value)]
        return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})"
    assert isinstance(value, str), "several values stand in a regular expression only"
    return value


def options(variable: Mapping[str, Any], answer: list[Series]) -> dict[str, str]:
    """Return what a query variable offers, text by value, as Grafana reads its answer and its regular expression."""
    rows = [list(row.values()) for series in answer for row in series.rows]
    texts = [row[1] if len(row) > 1 else row[0] for row in rows]
    if not variable.get("regex"):
        return {text: text for text in texts}
    # Names of groups are written `(?<name>..)` there.
    pattern = re.compile(variable["regex"].strip("/").replace(r"\/", "/").replace("(?<", "(?P<"))
    found: dict[str, str] = {}
    for match in filter(None, map(pattern.search, texts)):
        named = match.groupdict()
        value = named.get("value") or match[1]
        found[value] = named.get("text") or value
    return found


def targets(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the queries of all panels, each with its panel's title."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target
