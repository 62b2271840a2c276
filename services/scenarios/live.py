"""A live play runs all stories at once through gateway, Kafka, worker, territory, sink and api of one installation.

The moments of all stories are put in order of time, since the clock of an installation never goes back; each story has
ids of its own. Behind every moment goes a reading of a works that belongs to no story: when the api tells it of its
city's month, everything before it has come through every process.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

from schemas.documents import Document, DocumentKey, Meter, Source, canonical
from schemas.messages import Condition, Finding
from schemas.pushed import Row
from schemas.windows import Window, local_datetime, window_at
from services.command.client import ApiError
from services.scenarios.files import Story
from services.scenarios.installation import Installation, running
from services.scenarios.judging import Judge
from services.scenarios.playing import Result
from services.scenarios.renaming import SHARED_KINDS, Renaming
from services.scenarios.telling import Chapter, Push
from streams.domain.lookup import Known

# A month that passes at once is a month of documents of every works.
THROUGH_S = 180.0
# Alarms come to the api on another topic than numbers, and a changed registry is worked off in pieces.
SETTLE_S = 20.0
LOOK_EVERY_S = 0.2
# Sorts behind the ids of all stories, so a step that takes several enterprises takes this one last.
LAST = "zz-last"

ENTITIES = ("enterprise", "meter", "park", "county", "city")

Told = tuple[Story, Sequence[Chapter]]


class PlayError(Exception):
    """A live play cannot go on; the message says at which moment and why."""


class Scene(NamedTuple):
    """A chapter of one of the stories that are played, and the documents of it as the one registry takes them.

    `endings` are those that end a story of its own works once its last chapter is told: nobody asks for them any more.
    `place` counts the chapters of a story at one instant: those of several stories at the same place are told at once.
    """

    number: int
    place: int
    chapter: Chapter
    renaming: Renaming
    documents: list[dict[str, Any]]
    endings: list[dict[str, Any]]


def scenes_of(told: Sequence[Told]) -> list[Scene]:
    """Return the chapters of all stories in order of time, each story's ids its own, what stories share once."""
    order: list[tuple[int, int, int, Chapter]] = []
    for number, (_, chapters) in enumerate(told):
        places: Counter[int] = Counter()
        for chapter in sorted(chapters, key=lambda one: (one.moment.at_ms, one.place)):
            at_ms = chapter.moment.at_ms
            order.append((at_ms, places[at_ms], number, chapter))
            places[at_ms] += 1
    order.sort(key=lambda one: one[:3])
    renamings = [Renaming(f"p{number:02}-") for number in range(len(told))]
    shared: dict[str, bytes] = {}
    scenes: list[Scene] = []
    last = {number: chapter for _, _, number, chapter in order}
    for _, place, number, chapter in order:
        documents: list[dict[str, Any]] = []
        for document in chapter.documents:
            text, key = canonical(document), str(document.key)
            if document.kind in SHARED_KINDS and shared.get(key) == text:
                continue
            shared[key] = text
            renamed = renamings[number].document(json.loads(text))
            documents.append(_for_its_own(renamed, chapter, last[number], renamings[number]))
        endings = _endings(chapter, last[number], renamings[number]) if chapter is last[number] else []
        scenes.append(Scene(number, place, chapter, renamings[number], documents, endings))
    return scenes


def _for_its_own(raw: dict[str, Any], chapter: Chapter, last: Chapter, renaming: Renaming) -> dict[str, Any]:
    """Return a rule or limit with the entities of its story alone, where it means all of a kind.

    Else each story's would mean the works of all others, which would then be computed again.
    """
    select = {"kind": "enterprise", **(raw["spec"].get("select") or {})}
    if raw["kind"] not in ("rule", "limit") or "id" in select or "in" in select:
        return raw
    now, later = ([key.id for key in one.snapshot.documents if key.kind == select["kind"]] for one in (chapter, last))
    if not now or set(now) != set(later):
        return raw
    return {**raw, "spec": {**raw["spec"], "select": {**select, "id": [renaming.id(one) for one in sorted(now)]}}}


def _endings(chapter: Chapter, last: Chapter, renaming: Renaming) -> list[dict[str, Any]]:
    """Return a story's own documents, ended on the day after a chapter."""
    day = (local_datetime(chapter.moment.at_ms) + timedelta(days=1)).date().isoformat()
    own = (one for one in chapter.snapshot.documents.values() if one.kind not in SHARED_KINDS)
    renamed = (renaming.document(json.loads(canonical(one))) for one in own)
    raw = (_for_its_own(one, chapter, last, renaming) for one in renamed)
    return [
        {**one, "spec": _until(one["spec"], day), "valid_to": day}
        for one in raw
        if one["valid_from"] < day and one.get("valid_to", day) >= day
    ]


def _until(value: Any, day: str) -> Any:
    """Return what stands in a document without the dated entries that begin on a day or later."""
    if isinstance(value, dict):
        return {name: _until(one, day) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        return [_until(one, day) for one in entries if not (isinstance(one, dict) and one.get("from", "") >= day)]
    return value


class _Answers:
    """What an installation says of one story, in the story's own names."""

    def __init__(
        self, installation: Installation, renaming: Renaming, documents: Mapping[DocumentKey, Document]
    ) -> None:
        self._installation = installation
        self._renaming = renaming
        sources = (one for one in documents.values() if isinstance(one, Source))
        self._entities = (
            *(str(key) for key in documents if key.kind in ENTITIES),
            *(f"source/{one.spec.enterprise}.{one.id}" for one in sources),
        )
        meters = (one for one in documents.values() if isinstance(one, Meter))
        self._carrier = {f"meter/{one.id}": one.spec.carrier for one in meters}

    def known(self, entity: str, metric: str, window: Window) -> Known:
        # A status is one window's, whatever the metric.
        any_metric = f"qty.{self._carrier[entity]}" if entity in self._carrier else "energy.cv"
        asked = any_metric if metric == "time.expected" else metric
        return self._installation.known(self._renaming.entity(entity), asked, window)

    def findings(self) -> list[Finding]:
        found = self._installation.findings().values()
        return [self._renaming.finding(one) for one in found if self._renaming.is_own(one.meter)]

    def conditions(self) -> list[Condition]:
        entities = [self._renaming.entity(one) for one in self._entities]
        return [self._renaming.condition(one) for each in entities for one in self._installation.conditions(each)]


def play_live(told: Sequence[Told], folder: Path, tell: Callable[[str], None]) -> list[Result]:
    """Play stories through an installation that is started in a folder; `tell` hears how far it is."""
    scenes = scenes_of(told)
    judges = [Judge(story) for story, _ in told]
    tell("starting an installation")
    with running(folder, scenes[0].chapter.moment.at_ms) as installation:
        _Play(installation, told, judges, tell).play(scenes)
    return [Result(judge.checks, tuple(judge.differences)) for judge in judges]


class _Play:
    def __init__(
        self, installation: Installation, told: Sequence[Told], judges: Sequence[Judge], tell: Callable[[str], None]
    ) -> None:
        self._installation = installation
        self._told = told
        self._judges = judges
        self._tell = tell
        self._marks = 0
        self._month: Window | None = None
        self._refused: dict[int, list[str]] = {}

    def play(self, scenes: Sequence[Scene]) -> None:
        done = 0
        endings: list[dict[str, Any]] = []
        for (at_ms, _), group in groupby(scenes, lambda scene: (scene.chapter.moment.at_ms, scene.place)):
            together = list(group)
            self._installation.show(at_ms)
            # What is over ends with what begins: each change of the registry costs every process something.
            documents = [*endings, *self._mark_documents(at_ms), *(one for each in together for one in each.documents)]
            if documents:
                self._register(documents, at_ms)
            for scene in together:
                self._bring(scene, at_ms)
            self._installation.tick(at_ms)
            self._wait_through(at_ms)
            for scene in together:
                self._judge(scene)
            endings = [document for scene in together for document in scene.endings]
            done += len(together)
            self._tell(f"{done} of {len(scenes)} moments")

    def _bring(self, scene: Scene, at_ms: int) -> None:
        chapter, renaming = scene.chapter, scene.renaming
        refused: list[str] = []
        for place, push in enumerate(chapter.pushes):
            refused += self._push(renaming, push, f"p{scene.number:02}-{chapter.place}-{place}", at_ms)
        for report in chapter.reports:
            row = report.row
            row = type(row)(renaming.entity(row.entity), row.metric, row.period, row.value, row.unit, row.rev)
            refused += self._installation.report(row)
        self._refused[scene.number] = refused

    def _register(self, documents: Sequence[Mapping[str, Any]], at_ms: int) -> None:
        try:
            self._installation.register(documents)
        except ApiError as error:
            faults = error.problem.get("errors", ())
            said = "; ".join(f"{each['document']} {each['path']}: {each['message']}" for each in faults) or str(error)
            raise PlayError(f"at {local_datetime(at_ms)} the documents of a moment were refused: {said}") from error

    def _push(self, renaming: Renaming, push: Push, batch: str, at_ms: int) -> list[str]:
        early = push.received_ms != at_ms
        if early:
            self._installation.show(push.received_ms)
        refused = self._installation.push(renaming.id(push.source), batch, push.rows)
        if early:
            self._installation.show(at_ms)
        return refused

    def _wait_through(self, at_ms: int) -> None:
        """Send the mark that comes last, and wait until it has come through."""
        self._marks += 1
        month = window_at(at_ms, "month")
        row = Row("e01", month.start_ms, str(self._marks), self._marks)
        if refused := self._installation.push(f"{LAST}-{month.name}-gw", f"mark-{self._marks}", [row]):
            raise PlayError(f"the mark at {local_datetime(at_ms)} was refused: {refused}")
        end = time.monotonic() + THROUGH_S
        while self._mark(month) != self._marks:
            if time.monotonic() > end:
                at, health = local_datetime(at_ms), self._installation.health()
                raise PlayError(f"at {at} nothing came through within {THROUGH_S:g} s; processes: {health}")
            time.sleep(LOOK_EVERY_S)

    def _mark(self, month: Window) -> int:
        micro = self._installation.known(f"city/{LAST}-{month.name}", "qty.electricity", month).micro
        return 0 if micro is None else micro // 10**6

    def _mark_documents(self, at_ms: int) -> list[dict[str, Any]]:
        """Return the works of this month's marks, and the one of the month before with its end; none if they stand.

        Each month has its own, so that a change of the registry never has years of it computed again.
        """
        month = window_at(at_ms, "month")
        if month == self._month:
            return []
        before = [] if self._month is None else _mark_works(self._month, ended=True)
        self._month = month
        return [*before, *_mark_works(month)]

    def _judge(self, scene: Scene) -> None:
        story = self._told[scene.number][0]
        chapter, judge = scene.chapter, self._judges[scene.number]
        answers = _Answers(self._installation, scene.renaming, chapter.snapshot.documents)
        begin = settled = time.monotonic()
        while True:
            trial = Judge(story)
            trial.judge(chapter, answers, self._refused[scene.number])
            now = time.monotonic()
            if trial.differences and self._installation.recomputing():
                settled = now
            if not trial.differences or now > min(settled + SETTLE_S, begin + THROUGH_S):
                break
            time.sleep(LOOK_EVERY_S)
        judge.checks += trial.checks
        judge.differences += trial.differences


def _mark_works(month: Window, *, ended: bool = False) -> list[dict[str, Any]]:
    """Return a works and a city whose name sorts last, of one month."""
    name = f"{LAST}-{month.name}"
    since, until = (local_datetime(at_ms).date().isoformat() for at_ms in (month.start_ms, month.end_ms))

    def document(kind: str, id_: str, **spec: Any) -> dict[str, Any]:
        dates = {"valid_from": since, **({"valid_to": until} if ended else {})}
        return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, **dates, "spec": spec}

    def always(id_: str) -> list[dict[str, str]]:
        return [{"from": since, "id": id_}]

    meter = {
        "carrier": "electricity",
        "type": "interval",
        "stamp": "start",
        "unit": "kWh",
        "resolution": "1",
        "step": "1h",
        "role": "input",
    }
    return [
        document("city", name),
        document("county", name, city=name),
        document("enterprise", name, county=always(name)),
        document("source", f"{name}-gw", enterprise=name),
        document("meter", f"{name}.e01", source=always(f"{name}-gw"), **meter),
    ]
