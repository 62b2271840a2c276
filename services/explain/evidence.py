"""Evidence is a folder from which another person can check a number by hand, or with a few lines of any language.

Every file follows from the one before; numbers are exact decimals, instants local time with their offset.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from schemas.decimals import decimal_text
from schemas.documents import Document, DocumentKey, canonical
from schemas.documents.metric import BY_LINE
from schemas.windows import window
from services.explain import wording
from services.explain.asking import Explanation
from services.explain.evidence_rows import (
    HOURS,
    READINGS,
    SPANS,
    decimal,
    differences,
    hour_row,
    instant,
    reading_row,
    span_row,
)
from services.explain.explaining import UNEXPLAINED
from services.explain.facts import EnterpriseFacts, HourFacts, hours_of
from services.explain.line_evidence import LINES, LineRows, asked_of, meters_of, outputs_of, own_rows
from services.explain.meter_hour import contribution, is_average, parts_of_average, wholly_covered
from services.explain.reading_me import read_me
from services.replay.errors import AskedWrongError
from streams.domain.lines import VALUES, Division
from streams.domain.membership import Membership
from streams.domain.online import ONLINE
from streams.domain.products import OF_ACCOUNT, products, source_of
from streams.domain.registry import Snapshot
from streams.domain.tagging import CONTROLLED
from streams.domain.views import MeterView

_MEASURED = ("feedstock", "generated")
ACCOUNT = (
    "hour", "metric", "carrier", "quantity", "scope", "coefficient", "exact", "rounded", "release", "source", "variant",
    "confidence",
)  # fmt: skip
INDICATOR = ("indicator", "numerator", "numerator_value", "denominator", "denominator_value", "factor", "value")
REPORTED = ("metric", "period", "value", "unit", "rev", "reporter", "received")
MEMBERS = ("entity", "metric", "window", "value")
SUMS = "SHA256SUMS"
_REPORTED = ("output.", "reported.")


def write_evidence(folder: Path, snapshot: Snapshot, explanation: Explanation) -> list[str]:
    """Write the evidence of an explanation; return the names of the files. The folder must be new or empty."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AskedWrongError(f"{folder} is not empty: name a new folder")
        _Writing(folder, snapshot, explanation).write()
        names = sorted(each.name for each in folder.iterdir())
        sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
        (folder / SUMS).write_text("".join(sums), encoding="utf-8")
    except OSError as error:
        raise AskedWrongError(f"{folder} cannot be written: {error}") from error
    return [*names, SUMS]


class _Writing:
    """The writing of one folder."""

    def __init__(self, folder: Path, snapshot: Snapshot, explanation: Explanation) -> None:
        self._folder = folder
        self._snapshot = snapshot
        self._explanation = explanation
        self._keys: dict[DocumentKey, None] = {}
        self._divisions: list[Division] = []

    def write(self) -> None:
        explanation = self._explanation
        entity, metric, _ = explanation.question
        needed = [metric]
        if metric.startswith("ind."):
            needed = self._indicator(metric)
        elif is_average(metric):
            needed = parts_of_average(self._snapshot.meters[entity]) if entity in self._snapshot.meters else []
        needed = [part for each in needed for part in _parts(each)]
        facts = explanation.facts
        if facts is None:
            self._members(needed)
        else:
            needed = self._divided(facts, needed)
            self._hours(facts, [each for each in needed if not each.startswith((*_REPORTED, ONLINE, *BY_LINE))])
            self._reported(facts, [each for each in needed if each.startswith(_REPORTED)])
        self._use(*entity.split("/", 1))
        self._registry()
        (self._folder / "explanation.json").write_text(
            json.dumps(self._told(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
        (self._folder / "README.md").write_text(read_me(self._folder, explanation, needed), encoding="utf-8")

    def _divided(self, facts: EnterpriseFacts, needed: list[str]) -> list[str]:
        """Write how energy was divided between product lines; return what is needed besides."""
        each = window(self._explanation.question.window)
        divisions = facts.divided.over(each.start_ms, each.end_ms)
        asked = [found for metric in needed if (found := asked_of(metric, divisions)) is not None]
        if not asked:
            return needed
        self._divisions = divisions
        for division in divisions:
            self._use("allocation", division.view.id)
        rows = LineRows(facts, self._explanation.documents)
        self._table("lines.csv", LINES, (row for one in asked for row in rows.of(one, each)))
        return list(dict.fromkeys((*needed, *(one.value for one in asked), *outputs_of(divisions))))

    def _told(self) -> dict[str, Any]:
        return told(self._explanation)

    def _use(self, kind: str, id_: str) -> None:
        key = DocumentKey(kind, id_)
        if key in self._snapshot.documents:
            self._keys[key] = None

    def _table(self, name: str, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        with (self._folder / name).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(heading)
            table.writerows(rows)

    def _indicator(self, metric: str) -> list[str]:
        question, documents = self._explanation.question, self._explanation.documents
        view = self._snapshot.indicators[metric[4:]]
        self._use("indicator", view.id)
        if view.numerator.startswith("ind."):
            self._use("indicator", view.numerator[4:])
        parts = [
            each for each in (view.numerator, view.denominator) if each is not None and not each.startswith("ind.")
        ]
        values = [decimal(documents.fold(question.entity, each, question.window).value) for each in parts]
        row = (
            view.id, view.numerator, values[0] if values else "", view.denominator or "",
            values[1] if len(values) > 1 else "",
            view.factor, decimal(self._explanation.replay.value),
        )  # fmt: skip
        self._table("indicator.csv", INDICATOR, [row])
        return parts

    def _hours(self, facts: EnterpriseFacts, needed: list[str]) -> None:
        """Write readings, spans, hours and account, hour by hour."""
        entity = self._explanation.question.entity
        only = self._snapshot.meters[entity] if entity.startswith("meter/") else None
        if not needed:
            return
        carriers = self._carriers(facts, needed, only)
        lines = [(line.meter, line.sign) for each in carriers for line in facts.lines(each)]
        crossing = {meter.id for meter, _ in lines}
        # Meters of parts of a quantity stand beside the balance: their sign is 0.
        beside = (line.meter for each in carriers for part in _MEASURED for line in facts.parts(each, part))
        lines += [(meter, 0) for meter in dict.fromkeys(beside) if meter.id not in crossing]
        for line in meters_of(facts, self._divisions):
            if line.meter.id not in {meter.id for meter, _ in lines}:
                lines.append((line.meter, 0))
        lines = [(only, 1)] if only is not None else lines
        nodes = facts.nodes(carriers[0], only) if needed[0].startswith(UNEXPLAINED) else []
        lines = list(dict.fromkeys((line.meter, line.sign) for each in nodes for line in each)) or lines
        for meter, _ in lines:
            self._use("meter", meter.entity.removeprefix("meter/"))
            self._use("carrier", meter.carrier)
        self._use("enterprise", facts.enterprise)
        seen: dict[tuple[str, int], Sequence[Any]] = {}
        with _Tables(self._folder, {"spans.csv": SPANS, "hours.csv": HOURS, "account.csv": ACCOUNT}) as tables:
            for hour in hours_of(self._explanation.question.window):
                if (
                    self._explanation.documents.fold(entity, f"time.expected.{lines[0][0].carrier}", hour.name).value
                    is None
                ):
                    continue
                computed = facts.hour(hour.start_ms)
                for meter, sign in lines:
                    mine = computed.meters[meter.index]
                    seen.update((((meter.id, each.t_ms)), reading_row(meter, each)) for each in mine.readings)
                    tables.put("spans.csv", [span_row(hour.name, meter, each) for each in mine.spans])
                    tables.put("hours.csv", [hour_row(hour.name, meter, sign, mine)])
                if nodes:
                    known = [each for each in nodes if wholly_covered(facts, each, hour)]
                    tables.put("account.csv", differences(hour.name, needed[0], computed, known))
                    continue
                for metric in needed:
                    tables.put("account.csv", self._account(hour.name, metric, computed, lines))
                    for division in self._divisions:
                        if division.from_ms <= hour.start_ms < division.to_ms and metric in VALUES:
                            tables.put("account.csv", own_rows(hour.name, division, computed, metric))
        self._table("readings.csv", READINGS, [row for _, row in sorted(seen.items())])

    def _carriers(self, facts: EnterpriseFacts, needed: list[str], only: MeterView | None) -> list[str]:
        if only is not None:
            return [only.carrier]
        mine = [carrier for carrier, _, _ in facts.table.boundaries]
        if all(metric in OF_ACCOUNT for metric in needed):
            return [carrier for carrier in mine if self._snapshot.carriers[carrier].energy]
        return [carrier for carrier in mine if any(_is_of(metric, carrier) for metric in needed)] or mine

    def _account(
        self, hour: str, metric: str, computed: HourFacts, lines: list[tuple[MeterView, int]]
    ) -> Iterator[Sequence[Any]]:
        valuation = computed.valuation
        if metric in OF_ACCOUNT:
            release = (valuation.id if valuation else None) or ""
            if release:
                self._use("release", release)
            for each in products(metric, computed.metrics, self._snapshot.carriers, valuation):
                row, worth = source_of(each), each.value
                for id_ in row.measurements:
                    self._use("measurement", id_)
                yield (
                    hour, metric, each.carrier, decimal(each.quantity), each.scope or "",
                    "" if worth is None else wording.worth(worth),
                    "" if each.exact is None else wording.fraction(each.exact),
                    decimal(each.rounded), release, row.source, row.variant, row.confidence,
                )  # fmt: skip
            return
        if metric.startswith("qty.") and metric.count(".") > 1 and not metric.endswith(".estimated"):
            value = computed.metrics.get(metric)
            if value is not None:
                yield hour, metric, metric.split(".")[1], decimal(value), "", "", "", decimal(value), "", "", "", ""
            return
        total = sum(
            contribution(computed.meters[meter.index], metric) * (1 if metric.startswith("time.") else sign)
            for meter, sign in lines
        )
        if any(
            computed.meters[meter.index].measured_ms + computed.meters[meter.index].estimated_ms for meter, _ in lines
        ) or metric.startswith("time."):
            yield (
                hour,
                metric,
                lines[0][0].carrier,
                decimal_text(total),
                "",
                "",
                "",
                decimal_text(total),
                "",
                "",
                "",
                "",
            )

    def _reported(self, facts: EnterpriseFacts, needed: list[str]) -> None:
        each = window(self._explanation.question.window)
        rows = [
            (
                report.metric, report.period, report.value, report.unit, report.rev, report.reporter,
                instant(report.received),
            )
            for (metric, period), report in sorted(facts.reports.items())
            if metric in needed
            and each.start_ms <= window(period).start_ms
            and window(period).end_ms <= each.end_ms
        ]  # fmt: skip
        for metric in needed:
            kind, _, id_ = metric.partition(".")
            self._use("product" if kind == "output" else kind, id_)
        if needed:
            self._table("reported.csv", REPORTED, rows)

    def _members(self, needed: list[str]) -> None:
        entity, _, name = self._explanation.question
        documents = self._explanation.documents
        each = window(name)
        days = [each] if each.kind != "hour" else [window(name[:10])]
        membership = Membership(self._snapshot)
        members = sorted(set[str]().union(*(membership.over(entity, day).ever for day in days)))
        rows = [
            (f"enterprise/{member}", metric, name, decimal(documents.fold(f"enterprise/{member}", metric, name).value))
            for metric in needed
            for member in members
        ]
        for member in members:
            self._use("enterprise", member)
        self._table("members.csv", MEMBERS, rows)

    def _registry(self) -> None:
        documents = [_plain(self._snapshot.documents[key]) for key in sorted(self._keys)]
        text = yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False, width=120)
        (self._folder / "registry.yaml").write_text(text, encoding="utf-8")


class _Tables:
    """Tables that grow together."""

    def __init__(self, folder: Path, headings: dict[str, Sequence[str]]) -> None:
        self._files = {name: (folder / name).open("w", encoding="utf-8", newline="") for name in headings}
        self._tables = {name: csv.writer(file, lineterminator="\n") for name, file in self._files.items()}
        for name, heading in headings.items():
            self._tables[name].writerow(heading)

    def __enter__(self) -> "_Tables":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def put(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows into a table."""
        self._tables[name].writerows(rows)


def told(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON has it."""
    series, replay = explanation.series, explanation.replay
    return {
        **explanation.question._asdict(),
        "unit": explanation.unit,
        "computed": {"value": wording.number(replay.value), "status": replay.status},
        "series": {"value": wording.number(series.value), "status": series.status},
        "same": explanation.same,
        "notes": explanation.notes,
        "tree": explanation.tree.told(),
    }


def _is_of(metric: str, carrier: str) -> bool:
    return carrier in metric.split(".")[1:]


def _parts(metric: str) -> tuple[str, ...]:
    """Return the metrics of the hours that a metric follows from."""
    if metric not in CONTROLLED:
        return (metric,)
    gross, tags = CONTROLLED[metric]
    return gross, *tags


def _plain(document: Document) -> Any:
    return json.loads(canonical(document))
