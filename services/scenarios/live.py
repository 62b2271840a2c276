"""A live play runs all stories at once through gateway, Kafka, worker, territory, sink and api of one installation.

The moments of all stories are put in order of time, since the clock of an installation never goes back; each story has
ids of its own. Behind every moment goes a reading of a works that belongs to no story: when the api tells it of its
city's year, everything before it has come through every process.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from schemas.documents import Document, canonical
from schemas.messages import Condition, Finding
from schemas.pushed import Row
from schemas.windows import HOUR_MS, Window, local_datetime, local_ms, window
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

Told = tuple[Story, Sequence[Chapter]]


class PlayError(Exception):
    """A live play cannot go on; the message says at which moment and why."""


class _Scene(NamedTuple):
    """A chapter of one of the stories that are played."""

    number: int
    chapter: Chapter


class _Answers:
    """What an installation says of one story, in the story's own names."""

    def __init__(self, installation: Installation, renaming: Renaming, entities: Iterable[str]) -> None:
        self._installation = installation
        self._renaming = renaming
        self._entities = tuple(entities)

    def known(self, entity: str, metric: str, window: Window) -> Known:
        # A status is one window's, whatever the metric.
        asked = "energy.cv" if metric == "time.expected" else metric
        return self._installation.known(self._renaming.entity(entity), asked, window)

    def findings(self) -> list[Finding]:
        found = self._installation.findings().values()
        return [self._renaming.finding(one) for one in found if self._renaming.is_own(one.meter)]

    def conditions(self) -> list[Condition]:
        entities = [self._renaming.entity(one) for one in self._entities]
        return [self._renaming.condition(one) for each in entities for one in self._installation.conditions(each)]


def play_live(told: Sequence[Told], folder: Path, tell: Callable[[str], None]) -> list[Result]:
    """Play stories through an installation that is started in a folder; `tell` hears how far it is."""
    scenes = [_Scene(number, chapter) for number, (_, chapters) in enumerate(told) for chapter in chapters]
    # Of one story, moments of one instant keep their order.
    scenes.sort(key=lambda scene: (scene.chapter.moment.at_ms, scene.chapter.place))
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
        self._renamings = [Renaming(f"p{number:02}-") for number in range(len(told))]
        self._shared: dict[str, bytes] = {}
        self._marks = 0
        self._refused: dict[int, list[str]] = {}

    def play(self, scenes: Sequence[_Scene]) -> None:
        done = 0
        for (at_ms, _), group in groupby(scenes, lambda scene: (scene.chapter.moment.at_ms, scene.chapter.place)):
            together = list(group)
            self._installation.show(at_ms)
            for scene in together:
                self._bring(scene, at_ms)
            self._installation.tick(at_ms)
            self._wait_through(at_ms)
            for scene in together:
                self._judge(scene)
            done += len(together)
            self._tell(f"{done} of {len(scenes)} moments")

    def _bring(self, scene: _Scene, at_ms: int) -> None:
        chapter, renaming = scene.chapter, self._renamings[scene.number]
        documents = [self._raw(renaming, document) for document in chapter.documents if self._is_new(document)]
        if not self._shared.get(LAST):
            documents += _last_documents(documents)
            self._shared[LAST] = b"registered"
        if documents:
            self._installation.register(documents)
        refused: list[str] = []
        for place, push in enumerate(chapter.pushes):
            refused += self._push(renaming, push, f"p{scene.number:02}-{chapter.place}-{place}", at_ms)
        for report in chapter.reports:
            row = report.row
            row = type(row)(renaming.entity(row.entity), row.metric, row.period, row.value, row.unit, row.rev)
            refused += self._installation.report(row)
        self._refused[scene.number] = refused

    def _is_new(self, document: Document) -> bool:
        """Tell whether a document has to be registered: what stories share is once."""
        if document.kind not in SHARED_KINDS:
            return True
        text, key = canonical(document), str(document.key)
        new = self._shared.get(key) != text
        self._shared[key] = text
        return new

    @staticmethod
    def _raw(renaming: Renaming, document: Document) -> dict[str, Any]:
        return renaming.document(json.loads(canonical(document)))

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
        year = local_datetime(at_ms).year
        row = Row("e01", local_ms(year) + HOUR_MS, str(self._marks), self._marks)
        if refused := self._installation.push(f"{LAST}-gw", f"mark-{self._marks}", [row]):
            raise PlayError(f"the mark at {local_datetime(at_ms)} was refused: {refused}")
        end = time.monotonic() + THROUGH_S
        while self._mark(year) != self._marks:
            if time.monotonic() > end:
                at, health = local_datetime(at_ms), self._installation.health()
                raise PlayError(f"at {at} nothing came through within {THROUGH_S:g} s; processes: {health}")
            time.sleep(LOOK_EVERY_S)

    def _mark(self, year: int) -> int:
        micro = self._installation.known(f"city/{LAST}", "qty.electricity", window(f"{year}")).micro
        return 0 if micro is None else micro // 10**6

    def _judge(self, scene: _Scene) -> None:
        story = self._told[scene.number][0]
        chapter, judge = scene.chapter, self._judges[scene.number]
        entities = [
            str(key)
            for key in chapter.snapshot.documents
            if key.kind in ("enterprise", "meter", "park", "county", "city")
        ]
        answers = _Answers(self._installation, self._renamings[scene.number], entities)
        end = time.monotonic() + SETTLE_S
        while True:
            trial = Judge(story)
            trial.judge(chapter, answers, self._refused[scene.number])
            if not trial.differences or time.monotonic() > end:
                break
            time.sleep(LOOK_EVERY_S)
        judge.checks += trial.checks
        judge.differences += trial.differences


def _last_documents(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a works and a city whose name sorts last, registered as long as the carrier that they use."""
    since = next(each["valid_from"] for each in documents if (each["kind"], each["id"]) == ("carrier", "electricity"))

    def document(kind: str, id_: str, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "qingyu/v1", "kind": kind, "id": id_, "valid_from": since, "spec": spec}

    def always(id_: str) -> list[dict[str, str]]:
        return [{"from": since, "id": id_}]

    meter = {
        "carrier": "electricity",
        "type": "interval",
        "unit": "kWh",
        "resolution": "1",
        "step": "1h",
        "role": "input",
    }
    return [
        document("city", LAST),
        document("county", LAST, city=LAST),
        document("enterprise", LAST, county=always(LAST)),
        document("source", f"{LAST}-gw", enterprise=LAST),
        document("meter", f"{LAST}.e01", source=always(f"{LAST}-gw"), **meter),
    ]
