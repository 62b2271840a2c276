"""Two days of the demo's city as points: readings through the fold and the territories, then through the sink's step.

The steel works passes its hourly peak and its limit of energy per tonne; one hour of the university comes and is taken
back, so that its value in the store is an older one; the hospital is silent on the last day.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from aiokafka import ConsumerRecord

from schemas.decimals import MICRO_SCALE, at_scale
from schemas.documents import Document, Meter
from schemas.messages import VERSION, Batch, Heartbeat, Reported, encode
from schemas.series import Point
from schemas.settings import Settings
from services.simulator.city import city_folder
from services.sink.members import member_points
from services.sink.step import StepBuilder
from streams.domain.registry import Snapshot
from streams.domain.territory import Territories
from tests.folding import Stream, instant, message, tick
from tests.folding import documents as documents_of

HOUR_MS = 3_600_000
# The registry begins with the month, since a limit is asked for at the start of its period.
REGISTERED = "2018-03-01"
FIRST, LAST = "2018-03-02", "2018-03-03"
NOW_MS = instant("2018-03-03T18:20")
CITY, STEEL, UNIVERSITY = "city/bazhong", "enterprise/bz-steel", "enterprise/bz-university"
SILENT = "enterprise/bz-hospital"
TAKEN_BACK = "2018-03-03T10"
BEAT_MS = 5000
# Behind the processes' own clock stand those that Grafana has no engine for: heartbeats, and the lag they tell.
LAGS = {"ticker": None, "worker": 12, "sink": 40}

_STEPS = {"15min": HOUR_MS // 4, "1h": HOUR_MS}
# What a meter counts in an hour; of the electricity of the steel works enough for its rule, of all others something.
_USUAL, _STEEL = 40, 480


def city() -> list[Document]:
    """Return the demo's registry as if it began with the month: what never came before is not missing."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(city_folder().glob("*.yaml")))
    # What changes in February (a meter is swapped) changes after the days.
    moved = (re.sub(r"2018-02-(\d\d)", r"2018-04-\1", text) for text in texts)
    return documents_of(*(re.sub(r"2018-01-\d\d", REGISTERED, text) for text in moved))


def points() -> list[list[Point]]:
    """Return what the sink writes, in the order of its steps."""
    documents = city()
    snapshot = Snapshot.build(1, documents)
    return [
        *_Engine(documents, snapshot).steps(),
        [*member_points(snapshot, NOW_MS)],
        heartbeats(NOW_MS - HOUR_MS, NOW_MS, LAGS),
    ]


def heartbeats(from_ms: int, to_ms: int, lags: dict[str, int | None]) -> list[Point]:
    """Return the points of processes that beat from one instant until before another."""
    texts = [
        ("engine", encode(Heartbeat(VERSION, process, "0", at, lag=lag)))
        for process, lag in lags.items()
        for at in range(from_ms, to_ms, BEAT_MS)
    ]
    return through_the_sink(texts, Snapshot.build(1, list[Document]()))


def through_the_sink(texts: Iterable[tuple[str, bytes]], snapshot: Snapshot) -> list[Point]:
    """Return the points of one step of the sink that reads messages (topic, text)."""
    records = [(_record(at, topic, text), False) for at, (topic, text) in enumerate(texts)]
    tiers = {id_: tuple(tier.id for tier in limit.tiers) for id_, limit in snapshot.limits.items()}
    step = StepBuilder(Settings(topic_prefix="")).build(records, tiers)
    assert not step.unreadable, step.unreadable
    return step.points


def _record(offset: int, topic: str, text: bytes) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord(topic, 0, offset, NOW_MS, 0, b"", text, None, 0, len(text), ())


class _Engine:
    """The worker and the territories of the city, and the messages that the sink reads of them."""

    def __init__(self, documents: list[Document], snapshot: Snapshot) -> None:
        self._meters = [one for one in documents if isinstance(one, Meter) and str(one.valid_from) <= FIRST]
        self._snapshot = snapshot
        self._worker = Stream(documents)
        self._territories = Territories()
        self._territories.follow(snapshot)

    def steps(self) -> Iterator[list[Point]]:
        yield self._step(list(self._sent()), _tonnes("2018-03", "25.5"), tick(FIRST))
        yield self._step([], tick(LAST))
        yield self._step([], tick(NOW_MS))
        yield self._step([self._taken_back()], tick(NOW_MS + 1))

    def _step(self, readings: list[bytes], *others: bytes | Reported) -> list[Point]:
        texts = [("readings", text) for text in readings]
        for output in self._worker.step(*readings, *others).outputs:
            texts.append((output.topic, output.value))
            if output.topic == "totals" and output.entity.startswith("enterprise/"):
                key = output.key.decode()
                self._territories.take(self._worker.totals[key], output.value)
        while self._territories.waiting:
            texts += ((output.topic, output.value) for output in self._territories.recompute())
        return through_the_sink(texts, self._snapshot)

    def _sent(self) -> Iterator[bytes]:
        for meter in self._meters:
            enterprise, _, name = meter.id.partition(".")
            step_ms, scale = _STEPS[str(meter.spec.step)], _scale(meter)
            until = instant(LAST) if f"enterprise/{enterprise}" == SILENT else NOW_MS
            times = list(range(instant(FIRST), until, step_ms))
            hourly = _STEEL if meter.id == "bz-steel.e01" else _USUAL
            each = Decimal(hourly * step_ms) / HOUR_MS
            register = meter.spec.type == "register"
            values: list[int | None] = [at_scale(each * at if register else each, scale) for at in range(len(times))]
            yield message(_batch(meter, name, times, values, scale), enterprise=enterprise)

    def _taken_back(self) -> bytes:
        """Void what the university's meters sent for an hour, at its edges too."""
        start = instant(TAKEN_BACK + ":00")
        batches: list[Batch] = []
        for meter in self._meters:
            enterprise, _, name = meter.id.partition(".")
            if f"enterprise/{enterprise}" == UNIVERSITY:
                times = list(range(start, start + HOUR_MS + 1, _STEPS[str(meter.spec.step)]))
                batches.append(_batch(meter, name, times, [None] * len(times), _scale(meter), rev=1))
        return message(*batches, enterprise=UNIVERSITY.partition("/")[2])


def _batch(meter: Meter, name: str, times: list[int], values: list[int | None], scale: int, rev: int = 0) -> Batch:
    source = f"{meter.id.partition('.')[0]}-gw1"
    revisions = [rev] * len(times) if rev else None
    return Batch("seed", source, NOW_MS, [name], [scale], [0] * len(times), times, values, revisions)


def _scale(meter: Meter) -> int:
    return -int(Decimal(str(meter.spec.resolution)).as_tuple().exponent)


def _tonnes(month: str, tonnes: str) -> Reported:
    micro = at_scale(Decimal(tonnes), MICRO_SCALE)
    return Reported(VERSION, 1, STEEL, "output.crude-steel", month, micro, tonnes, "t", 0, "bz-steel-gw1", NOW_MS)
