"""A stream of messages fed to the pure fold as a worker would, with what came of it as a reader would see it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import yaml

from schemas.decimals import MICRO_SCALE, at_scale
from schemas.documents import Document
from schemas.messages import (
    QUALITY_CODE,
    VERSION,
    AlarmEvent,
    Batch,
    CalendarDocument,
    Condition,
    Correction,
    Finding,
    Readings,
    Rejected,
    Reported,
    Revision,
    Sold,
    decode_calendar,
    decode_condition,
    decode_event,
    decode_finding,
    decode_revision,
    decode_sold,
    encode,
)
from schemas.windows import SHANGHAI, children_of, window, window_at
from streams.domain.calendar import latest_known, windows_in
from streams.domain.fold import Cursor, Effects, PartitionFold
from streams.domain.hour import Hour
from streams.domain.packing import unpack
from streams.domain.plan import Plans
from streams.domain.registration import Accepted, register
from streams.domain.registry import Snapshot
from streams.domain.rehearsal import records_after
from streams.domain.state import BLOCK, HOUR, PLACE, MemoryMap, OrderedMap
from streams.stores.state import StateStore

REGISTRY = """
{apiVersion: qingyu/v1, kind: carrier, id: electricity, valid_from: 2018-01-01, spec: {unit: kWh, medium: electricity}}
---
{apiVersion: qingyu/v1, kind: carrier, id: steam, valid_from: 2018-01-01, spec: {unit: kg, medium: heat}}
---
{apiVersion: qingyu/v1, kind: carrier, id: water, valid_from: 2018-01-01,
 spec: {unit: m3, medium: water, energy: false}}
---
{apiVersion: qingyu/v1, kind: product, id: crude-steel, valid_from: 2018-01-01, spec: {unit: t}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: works, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: source, id: works-gw1, valid_from: 2018-01-01, spec: {enterprise: works}}
---
{apiVersion: qingyu/v1, kind: release, id: demo-2018, valid_from: 2018-01-01,
 spec: {coefficients: [{carrier: electricity, cv_kgce: "0.1229", eq_kgce: "0.3", source: demo}],
        factors: [{carrier: electricity, gas: co2, kg: "0.6", scope: power, source: demo}]}}
"""


class Writable(OrderedMap, Protocol):
    """A state that takes entries, None removes a key."""

    def write(self, puts: dict[bytes, bytes | None]) -> None: ...


def instant(text: str) -> int:
    """Return the epoch ms of local text such as `2018-03-01T08:15`, or of a date's midnight."""
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


def documents(text: str, *more: str) -> list[Document]:
    """Return the documents of YAML texts as registration accepts them; a later one replaces an earlier of its id."""
    raws: dict[tuple[str, str], Any] = {}
    for part in (text, *more):
        raws.update({(raw["kind"], raw["id"]): raw for raw in yaml.safe_load_all(part)})
    accepted = register((), list(raws.values()))
    assert isinstance(accepted, Accepted), accepted.errors
    return list(accepted.documents)


def meter(id_: str, type_: str = "interval", enterprise: str = "works", **spec: Any) -> str:
    """Return the document of an electricity meter that counts 0.01 kWh, with what else `spec` says."""
    whole = {
        "carrier": "electricity", "type": type_, "unit": "kWh", "resolution": "0.01", "role": "input",
        **({"step": "15min"} if type_ == "interval" else {}),
        "source": [{"from": "2018-01-01", "id": f"{enterprise}-gw1"}], **spec,
    }  # fmt: skip
    return document("meter", f"{enterprise}.{id_}", **whole)


def document(kind: str, id_: str, valid_from: str = "2018-01-01", **spec: Any) -> str:
    """Return a registry document as text."""
    raw = {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": valid_from, "spec": spec}
    return "---\n" + yaml.safe_dump(raw, allow_unicode=True)


def batch(
    rows: Iterable[Sequence[Any]], *, scale: int | Mapping[str, int] = 2, received: int | None = None, name: str = "b",
    correction: Correction | None = None,
) -> Batch:  # fmt: skip
    """Return a batch of rows (meter, instant [ms or local text], value or None, revision = 0, quality = "ok")."""
    whole: list[tuple[Any, ...]] = [(*row, *((0, "ok")[len(row) - 3 :])) for row in rows]
    meters = list(dict.fromkeys(row[0] for row in whole))
    scales = [scale if isinstance(scale, int) else scale[each] for each in meters]
    instants = [instant(row[1]) if isinstance(row[1], str) else row[1] for row in whole]
    return Batch(
        name, "works-gw1", max(instants, default=0) if received is None else received, meters, scales,
        [meters.index(row[0]) for row in whole], instants,
        [None if row[2] is None else at_scale(Decimal(row[2]), scales[meters.index(row[0])]) for row in whole],
        [row[3] for row in whole] if any(row[3] for row in whole) else None,
        [QUALITY_CODE[row[4]] for row in whole] if any(row[4] != "ok" for row in whole) else None,
        correction,
    )  # fmt: skip


def message(*batches: Batch, enterprise: str = "works", registry: int = 1) -> bytes:
    """Return a message of topic `readings`."""
    return encode(Readings(VERSION, registry, enterprise, list(batches)))


def tick(at: int | str, registry: int = 1) -> bytes:
    """Return a tick's message."""
    return encode(Readings(VERSION, registry, tick=instant(at) if isinstance(at, str) else at))


def report(period: str, value: str, *, received: int = 0, rev: int = 0, enterprise: str = "works") -> Reported:
    """Return a reported output of crude steel [t]."""
    return Reported(
        VERSION, 1, f"enterprise/{enterprise}", "output.crude-steel", period, at_scale(Decimal(value), MICRO_SCALE),
        value, "t", rev, "works-gw1", received,
    )  # fmt: skip


class Disk:
    """The worker's own local copy as a state, without its place in a changelog."""

    def __init__(self, directory: Path) -> None:
        self._store = StateStore(directory)
        self.get, self.scan = self._store.get, self._store.scan
        self.last_before, self.first_from = self._store.last_before, self._store.first_from

    def write(self, puts: dict[bytes, bytes | None]) -> None:
        """Put entries in."""
        self._store.write(puts, 0)


class Stream:
    """One partition: messages in, and of each topic what stands there."""

    def __init__(self, registered: list[Document], state: Writable | None = None, version: int = 1) -> None:
        self.state: Writable = state or MemoryMap()
        self.cursor = Cursor()
        self.totals: dict[str, CalendarDocument] = {}
        self.conditions: dict[str, Condition] = {}
        self.events: list[AlarmEvent] = []
        self.findings: dict[str, Finding] = {}
        self.rejected: list[Rejected] = []
        self.revisions: list[Revision] = []
        self.sold: list[Sold] = []  # passed on, and not yet taken in
        self._plans = Plans(Snapshot.build(version, registered))
        self._fold = PartitionFold(0, self.state, lambda _: True)
        self._fold.follow(self._plans)

    def register(self, registered: list[Document], version: int, *, finish: bool = True) -> None:
        """Switch to another registry, and compute again what it touches: all of it, or nothing yet."""
        self._plans = Plans(Snapshot.build(version, registered))
        self._fold.follow(self._plans)
        if finish:
            self.work_off()

    def work_off(self) -> None:
        """Make steps until nothing is left to be computed again."""
        while self._fold.waiting:
            self.step()

    def restart(self, *, without_local_copy: bool) -> None:
        """Go on in another process, which may have only what the state topic holds."""
        if without_local_copy:
            entries = dict(self.state.scan(b""))
            kept: dict[bytes, bytes | None] = {}
            for key, value in entries.items():
                enterprise, kind = key.split(b"|")[:2] if b"|" in key else (key, b"")
                if kind == HOUR.encode():
                    hour: Hour = unpack(value)
                    text = key.rpartition(b"|")[2]
                    for each in hour.meters:
                        kept[b"|".join((enterprise, PLACE.encode(), each.encode(), text))] = b""
                if kind not in (PLACE.encode(), BLOCK.encode()):
                    kept[key] = value
            self.state = MemoryMap()
            self.state.write(kept)
        self._fold = PartitionFold(0, self.state, lambda _: True)
        self._fold.follow(self._plans)

    def deliver(self) -> None:
        """Take in what was passed on to counterparties."""
        sold, self.sold = self.sold, []
        self.step(*sold)

    def step(self, *messages: bytes | Reported | Sold) -> Effects:
        """Make one step of messages and reported values."""
        effects = self._fold.step(self.cursor, records_after(self.cursor, messages))
        self.state.write({**effects.durable, **effects.local})
        self.cursor = effects.cursor
        self.rejected += effects.rejected
        for topic, _, key, value in effects.outputs:
            self._take(topic, key.decode(), value)
        return effects

    def readings(self, *rows: Sequence[Any], received: int | str | None = None, **more: Any) -> Effects:
        """Make one step of one batch; see `batch`."""
        stamp = instant(received) if isinstance(received, str) else received
        return self.step(message(batch(rows, received=stamp, **more)))

    def _take(self, topic: str, key: str, value: bytes) -> None:
        if topic == "totals":
            self.totals[key] = decode_calendar(value)
        elif topic == "alarm.conditions":
            self.conditions[key] = decode_condition(value)
        elif topic == "alarm.events":
            self.events.append(decode_event(value))
        elif topic == "findings":
            self.findings[key] = decode_finding(value)
        elif topic == "revisions":
            self.revisions.append(decode_revision(value))
        elif topic == "reported":
            self.sold.append(decode_sold(value))
        else:
            raise AssertionError(f"the fold wrote to {topic}")

    def value(self, metric: str, name: str, entity: str = "enterprise/works") -> Decimal | None:
        """Return a metric in a window as a reader of topic `totals` takes it."""
        return value_of(self.totals, metric, name, entity)

    def status(self, name: str, entity: str = "enterprise/works") -> str | None:
        """Return a window's status."""
        each = window(name)
        if each.kind == "hour":
            found = self.totals[f"{entity}|{name[:10]}"]
            return found.status[int(name[11:])]
        return self.totals[f"{entity}|{name[:4] if each.kind == 'quarter' else name}"].own[name].status

    def known_of(self, name: str) -> bool:
        """Tell whether any reading of the enterprise counts in a window, or takes one away."""
        each = window(name)
        if each.kind == "hour":
            return self.totals[f"enterprise/works|{name[:10]}"].known[int(name[11:])] is not None
        document = self.totals[f"enterprise/works|{name[:4] if each.kind == 'quarter' else name}"]
        return any(latest_known(document, part) is not None for one, part in windows_in(document) if one == each)

    def firing(self) -> list[str]:
        """Return the starts of the alarms that fire, or did when their period settled."""
        return sorted(each.start for each in self.conditions.values() if each.condition in ("firing", "established"))

    def revised(self, metric: str, name: str, entity: str = "enterprise/works") -> list[tuple[Any, Any]]:
        """Return from what to what [the metric's unit] a window was revised, in order."""
        return [
            (_decimal(each.before), _decimal(each.after))
            for each in self.revisions
            if (each.entity, each.metric, each.start) == (entity, metric, name)
        ]

    def story(self) -> list[tuple[str, str, int]]:
        """Return what happened to alarms, in order: start, cause, sequence number."""
        return [(each.start, each.cause, each.seq) for each in self.events]


def _decimal(micro: int | None) -> Decimal | None:
    return None if micro is None else Decimal(micro).scaleb(-6)


def value_of(totals: Mapping[str, CalendarDocument], metric: str, name: str, entity: str) -> Decimal | None:
    """Return a metric in a window as a reader of topic `totals` takes it: what stands for the window, else the sum."""
    each = window(name)
    home = window_at(each.start_ms, {"hour": "day", "quarter": "year"}.get(each.kind, each.kind)).name  # type: ignore[arg-type]
    document = totals.get(f"{entity}|{home}")
    if document is None:
        return None
    own = document.own[name].values if name in document.own else {}
    if metric in own:
        number = own[metric]
        return None if number is None else Decimal(number).scaleb(-6)
    values = document.metrics.get(metric, [None] * len(document.status))
    if each.kind == "hour":
        some = values[int(name[11:]) : int(name[11:]) + 1]
    elif each.kind == "quarter":
        kids = [child.name for child in children_of(home)]
        some = [
            value
            for value, kid in zip(values, kids, strict=True)
            if each.start_ms <= window(kid).start_ms < each.end_ms
        ]
    else:
        some = values
    if each.kind != "hour" and (metric.startswith("ind.") or (metric.startswith("output.") and None in some)):
        return None
    known = [value for value in some if value is not None]
    return Decimal(sum(known)).scaleb(-6) if known else None
