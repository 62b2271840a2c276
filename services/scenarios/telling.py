"""Telling turns a story into what arrives, moment by moment: registry sets, pushes of readings, reported values.

Everything is checked here as the api and the gateway check it, so a story's own faults are found before it runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.documents import Document, DocumentKey, MetricError
from schemas.ids import IdError, parse_entity
from schemas.messages import VERSION, Batch, Readings, Reported, encode
from schemas.pushed import ReportedRow, Row
from schemas.scenarios import (
    Moment,
    NotationError,
    parse_instant,
    parse_instants,
    parse_sent,
    parse_window,
    parse_worth,
)
from schemas.units import UnitError, conversion
from schemas.windows import Window
from services.command.document_files import FileFault
from services.scenarios.files import Piece, Story
from streams.domain.checking import Checker
from streams.domain.registration import Rejected, register
from streams.domain.registry import Snapshot
from streams.domain.reporting import check_reported
from streams.domain.views import MeterView


class Push(NamedTuple):
    """Readings that one source sends together, and when the gateway received them [epoch ms]."""

    enterprise: str
    source: str
    received_ms: int
    rows: tuple[Row, ...]

    def message(self, snapshot: Snapshot, batch: str) -> tuple[bytes | None, list[str]]:
        """Return the message that the gateway writes (None: nothing was accepted), and what it says of the others."""
        meters = snapshot.enterprises[self.enterprise].meters
        checker = Checker({meter.id: meter for meter in meters}.get, self.source, self.received_ms)
        found = checker.rows(self.rows)
        refused = [f"{one.code} ({one.message})" for one in found.rejected]
        if not found.t:
            return None, refused
        columns = Batch(
            batch,
            self.source,
            self.received_ms,
            found.meters,
            found.scale,
            found.i,
            found.t,
            found.v,
            found.rev,
            found.q,
        )
        return encode(Readings(VERSION, snapshot.version, self.enterprise, [columns])), refused


class Report(NamedTuple):
    """A reported value as somebody posts it, and when that arrived [epoch ms]."""

    row: ReportedRow
    received_ms: int


class Expectation(NamedTuple):
    """One expected number: where it stands in the file, and of what it is."""

    path: str
    entity: str
    metric: str
    window: Window
    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """One moment, ready to be played: the registry then, what arrives in which order, and what is expected.

    `named` are entities by what people's deeds and what they are told call them; "" is the page's enterprise.
    """

    place: int
    moment: Moment
    snapshot: Snapshot
    documents: tuple[Document, ...]
    pushes: tuple[Push, ...]
    reports: tuple[Report, ...]
    expectations: tuple[Expectation, ...]
    named: Mapping[str, str]

    @property
    def is_judged(self) -> bool:
        """Whether anything is expected at the moment."""
        moment = self.moment
        lists = (moment.findings, moment.alarms, moment.told)
        return bool(self.expectations or moment.rejected) or any(each is not None for each in lists)

    @property
    def path(self) -> str:
        """Where the moment stands in the file."""
        return f"story.{self.place}"


@dataclass(slots=True)
class Teller:
    """Tells one story; `faults` is what is wrong with it, `chapters` what was told."""

    story: Story
    chapters: list[Chapter] = field(default_factory=list[Chapter])
    faults: list[FileFault] = field(default_factory=list[FileFault])
    _raws: dict[tuple[Any, Any], dict[str, Any]] = field(default_factory=dict[tuple[Any, Any], dict[str, Any]])
    _documents: dict[DocumentKey, Document] = field(default_factory=dict[DocumentKey, Document])

    def tell(self) -> bool:
        """Tell the whole story; return whether nothing is wrong with it."""
        snapshot = self._register(self.story.pieces, Snapshot.build(0, {}))
        for place, moment in enumerate(self.story.scenario.story):
            if self.faults:
                return False
            path = f"story.{place}"
            pieces = [Piece(raw, self.story.page, f"{path}.registry.{at}") for at, raw in enumerate(moment.registry)]
            before = self._documents
            snapshot = self._register(pieces, snapshot) if pieces else snapshot
            if self.faults:
                return False
            changed = self._documents.values() if not self.chapters else _new(before, self._documents)
            try:
                chapter = Chapter(
                    place, moment, snapshot, tuple(changed), tuple(self._pushes(path, moment, snapshot)),
                    tuple(self._reports(path, moment, snapshot)), tuple(self._expectations(path, moment, snapshot)),
                    self._named(path, moment, snapshot),
                )  # fmt: skip
            except _UnusableError as error:
                self.faults.append(self.story.fault(*error.args))
                return False
            self.chapters.append(chapter)
        if not any(chapter.is_judged for chapter in self.chapters):
            self.faults.append(self.story.fault("story", "nothing_expected", "no moment says what must be true then"))
        return not self.faults

    def entity(self, text: str, snapshot: Snapshot) -> str | None:
        """Return the entity that a text names: `park/old`, `works` (an enterprise), `works.e01` or `e01` (a meter)."""
        if "/" in text:
            try:
                kind, id_ = parse_entity(text)
            except IdError:
                return None
            return text if DocumentKey(kind, id_) in snapshot.documents else None
        if text in snapshot.enterprises:
            return f"enterprise/{text}"
        meter = self._meter(text, snapshot)
        return None if meter is None else meter.entity

    def _meter(self, text: str, snapshot: Snapshot) -> MeterView | None:
        whole = text if "." in text else f"{self.story.enterprise}.{text}"
        return snapshot.meters.get(f"meter/{whole}")

    def _register(self, pieces: Sequence[Piece], before: Snapshot) -> Snapshot:
        touched: dict[tuple[Any, Any], Piece] = {}
        for piece in pieces:
            key = piece.raw.get("kind"), piece.raw.get("id")
            self._raws[key] = self.story.merged(self._raws.get(key), piece)
            touched[key] = piece
        raws = [self._with_source(key) for key in touched]
        places = list(touched.values())
        for enterprise in dict.fromkeys(str(id_).partition(".")[0] for kind, id_ in touched if kind == "meter"):
            source = "source", f"{enterprise}-gw"
            if source not in self._raws and ("enterprise", enterprise) in self._raws:
                since = self._raws["enterprise", enterprise].get("valid_from")
                self._raws[source] = {
                    "apiVersion": "qingyu/v1", "kind": "source", "id": source[1], "valid_from": since,
                    "spec": {"enterprise": enterprise},
                }  # fmt: skip
                raws.append(self._raws[source])
                places.append(next(piece for (kind, _), piece in touched.items() if kind == "meter"))
        accepted = register(self._documents, raws)
        if isinstance(accepted, Rejected):
            found = [
                places[error.document or 0].fault(error.path, error.code, error.message) for error in accepted.errors
            ]
            # What was filled in for the meter's source repeats what is wrong with the meter's own day.
            said = [fault for fault in found if not fault.path.startswith("spec.source.0.from")]
            self.faults += said or found
            return before
        self._documents = {**self._documents, **{document.key: document for document in accepted.documents}}
        return Snapshot.build(before.version + 1, self._documents)

    def _with_source(self, key: tuple[Any, Any]) -> dict[str, Any]:
        """Return a document; a meter that names no source is read by its enterprise's own, ENTERPRISE-gw."""
        raw = self._raws[key]
        spec = raw.get("spec")
        if key[0] == "meter" and isinstance(key[1], str) and isinstance(spec, dict) and "source" not in spec:
            source = [{"from": raw.get("valid_from"), "id": f"{key[1].partition('.')[0]}-gw"}]
            raw = self._raws[key] = {**raw, "spec": {**spec, "source": source}}
        return raw

    def _pushes(self, path: str, moment: Moment, snapshot: Snapshot) -> Iterator[Push]:
        delivery = moment.delivery
        received_ms = moment.at_ms if delivery.received is None else parse_instant(delivery.received, moment.of_day)
        if received_ms > moment.at_ms:
            raise _UnusableError(f"{path}.delivery.received", "bad_time", "it is after the moment: nothing comes early")
        groups: dict[tuple[str, str], list[Row]] = {}
        for name, runs in moment.readings.items():
            meter = self._meter(name, snapshot)
            if meter is None:
                raise _UnusableError(
                    f"{path}.readings.{name}", "unknown_meter", _no_entity(name, "meter", snapshot.meters)
                )
            for run, values in runs.items():
                for row in _rows(f"{path}.readings.{name}.{run}", meter, run, values, moment):
                    assert isinstance(row.ts, int)
                    source = meter.source_at(row.ts) or meter.sources[0].id or ""
                    groups.setdefault((meter.enterprise, source), []).append(row)
        pushes = [Push(*who, received_ms, tuple(rows)) for who, rows in groups.items()]
        if delivery.order == "reversed":
            pushes = [push._replace(rows=(row,)) for push in reversed(pushes) for row in reversed(push.rows)]
        for _ in range(delivery.repeat):
            yield from pushes

    def _reports(self, path: str, moment: Moment, snapshot: Snapshot) -> Iterator[Report]:
        for name, metrics in moment.reported.items():
            entity = self.entity(name, snapshot)
            if entity is None:
                raise _UnusableError(
                    f"{path}.reported.{name}", "unknown_entity", _no_entity(name, "enterprise", snapshot.enterprises)
                )
            for metric, periods in metrics.items():
                unit = _unit(f"{path}.reported.{name}.{metric}", metric, snapshot)
                for period, text in periods.items():
                    value, each, own_unit, quality, rev = parse_sent(text)
                    if value is None or each or quality:
                        message = f"{text!r} is no reported value: write a number, then if needed its unit and 'rev N'"
                        raise _UnusableError(f"{path}.reported.{name}.{metric}.{period}", "bad_value", message)
                    window = parse_window(period, moment.of_day).name
                    yield Report(ReportedRow(entity, metric, window, value, own_unit or unit, rev), moment.at_ms)

    def _named(self, path: str, moment: Moment, snapshot: Snapshot) -> dict[str, str]:
        found = {"": f"enterprise/{self.story.enterprise}"}
        for part, ones in (("people", moment.people), ("told", moment.told or ())):
            for place, one in enumerate(ones):
                # Sources have alarms on silence, and nothing else that a story asks for.
                of_source = one.of is not None and one.of.startswith("source/")
                entity = None if one.of is None else one.of if of_source else self.entity(one.of, snapshot)
                if one.of is not None and entity is None:
                    known = (*snapshot.enterprises, *snapshot.meters)
                    raise _UnusableError(
                        f"{path}.{part}.{place}.of", "unknown_entity", _no_entity(one.of, "entity", known)
                    )
                found |= {} if one.of is None or entity is None else {one.of: entity}
        return found

    def _expectations(self, path: str, moment: Moment, snapshot: Snapshot) -> Iterator[Expectation]:
        for name, windows in moment.expect.items():
            entity = self.entity(name, snapshot)
            if entity is None:
                message = _no_entity(name, "entity", (*snapshot.enterprises, *snapshot.meters))
                raise _UnusableError(f"{path}.expect.{name}", "unknown_entity", message)
            for text, expected in windows.items():
                place = f"{path}.expect.{name}.{text}"
                window = parse_window(text, moment.of_day)
                if entity.startswith("meter/") and window.kind not in ("hour", "day"):
                    raise _UnusableError(
                        place, "bad_window", "a meter has hours and days; ask its enterprise for the rest"
                    )
                if "status" in expected.model_fields_set:
                    yield Expectation(f"{place}.status", entity, "status", window, str(expected.status), "")
                for metric, worth in expected.metrics.items():
                    unit = _unit(f"{place}.{metric}", metric, snapshot)
                    asked = parse_worth(worth).unit
                    try:
                        conversion(asked or unit, unit)
                    except UnitError as error:
                        raise _UnusableError(
                            f"{place}.{metric}", "unit_mismatch", f"{metric} counts {unit}: {error}"
                        ) from error
                    yield Expectation(f"{place}.{metric}", entity, metric, window, worth, unit)


class _UnusableError(Exception):
    """Something in the story cannot be told; the arguments are path, code and message."""


def message_of(report: Report, snapshot: Snapshot) -> tuple[Reported | None, list[str]]:
    """Return the message of a reported value as the gateway writes it, or what it says instead."""
    found = check_reported(report.row, snapshot, "scenario", report.received_ms)
    return (found, []) if isinstance(found, Reported) else (None, [f"{found.code} ({found.message})"])


def _new(before: Mapping[DocumentKey, Document], after: Mapping[DocumentKey, Document]) -> list[Document]:
    return [document for key, document in after.items() if before.get(key) is not document]


def _rows(path: str, meter: MeterView, run: str, values: Sequence[str], moment: Moment) -> Iterator[Row]:
    try:
        instants = parse_instants(run, moment.of_day)
    except NotationError as error:
        raise _UnusableError(path, "bad_time", str(error)) from error
    sent = [parse_sent(text) for text in values]
    if len(sent) == 1:
        sent = [_nth(sent[0], place) for place in range(len(instants))]
    elif any(one.each is not None for one in sent) or len(sent) != len(instants):
        message = f"{len(values)} values stand for {len(instants)} times: write one value, '100 + 2', or one for each"
        raise _UnusableError(path, "bad_run", message)
    for at, one in zip(instants, sent, strict=True):
        void = True if one.value is None else None
        yield Row(meter.id, at, one.value, one.rev or None, one.quality, void, one.unit)


def _nth(sent: Any, place: int) -> Any:
    if sent.value is None or sent.each is None:
        return sent
    return sent._replace(value=format(Decimal(sent.value) + place * Decimal(sent.each), "f"))


def _unit(path: str, metric: str, snapshot: Snapshot) -> str:
    try:
        return snapshot.unit_of(metric)
    except MetricError as error:
        raise _UnusableError(path, "unknown_metric", str(error)) from error
    except KeyError as error:
        message = f"{metric}: no such carrier, product or indicator is registered at this moment"
        raise _UnusableError(path, "unknown_metric", message) from error


def _no_entity(text: str, what: str, known: Iterable[str]) -> str:
    return f"no {what} {text!r} is registered at this moment; there are {', '.join(sorted(known)) or 'none'}"
