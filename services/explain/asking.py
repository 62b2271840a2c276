"""Asking for an explanation gathers what it rests on, computes the number anew and holds it against the series."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from schemas.documents.metric import MetricError
from schemas.ids import enterprise_of
from schemas.settings import Settings
from schemas.windows import EARLIEST_MS, LATEST_MS, Window, WindowError, window
from services.explain.enterprise import EnterpriseExplainer, MeterExplainer
from services.explain.explaining import Explainer
from services.explain.facts import Documents, EnterpriseFacts
from services.explain.territory import TerritoryExplainer
from services.explain.tree import Node
from services.replay.errors import AskedWrongError
from services.replay.held import Held
from services.replay.reading import SeriesReader, Tell, reports_of
from services.replay.replay import Asked, Replay
from services.replay.selecting import Selection, members_ever, select
from services.replay.territories import add_up
from services.replay.topics import Topics
from streams.domain.comparison import Range, Said
from streams.domain.membership import Membership
from streams.domain.registry import Snapshot

SETTLE_S = 10.0
LOOK_S = 0.5


class Question(NamedTuple):
    """Which number is to be explained."""

    entity: str
    metric: str
    window: str


class Explanation(NamedTuple):
    """A number computed anew (`replay`), what the series says of it, and the tree behind it."""

    question: Question
    unit: str
    series: Said
    replay: Said
    tree: Node
    facts: EnterpriseFacts | None
    documents: Documents
    notes: list[str]

    @property
    def same(self) -> bool:
        """Whether the series says what was computed anew; status counts where there is a value."""
        if self.series.value is None and self.replay.value is None:
            return True
        return self.series == self.replay


def checked(snapshot: Snapshot, question: Question) -> Window:
    """Return the window of a question; raise AskedWrongError when its entity, metric or window does not exist."""
    select(snapshot, [question.entity])
    try:
        each = window(question.window)
        snapshot.unit_of(question.metric)
    except (WindowError, MetricError) as error:
        raise AskedWrongError(str(error)) from error
    except KeyError as error:
        raise AskedWrongError(f"{question.metric} is not registered: there is no {error}") from error
    if question.entity.startswith("meter/") and each.kind not in ("hour", "day"):
        raise AskedWrongError("a meter has hours and days; ask for one of them, or for its enterprise")
    return each


async def explain(settings: Settings, snapshot: Snapshot, question: Question, held: Held, tell: Tell) -> Explanation:
    """Return the explanation of a number; raise ReplayError when it cannot be computed."""
    each = checked(snapshot, question)
    documents = Documents(held)
    async with Topics(settings) as topics:
        if enterprise_of(question.entity) is None:
            await _gather_territory(settings, topics, snapshot, question, each, held, tell)
            notes = ["computed anew from the documents of its members in topic totals 由成员数据重新汇总"]
        else:
            asked = Asked([question.entity], Range(EARLIEST_MS, LATEST_MS), ("totals",), rewrite=False, limit=1)
            replay = Replay(settings, snapshot, asked, held, None, tell)
            await replay.gather(topics)
            notes = [*replay.findings.told_cuts(), *replay.findings.notes]
    return await asyncio.to_thread(_explained, snapshot, question, documents, held, notes)


def _explained(
    snapshot: Snapshot, question: Question, documents: Documents, held: Held, notes: list[str]
) -> Explanation:
    entity, metric, name = question
    enterprise = enterprise_of(entity)
    facts = None if enterprise is None else EnterpriseFacts(snapshot, enterprise, held)
    explainer: Explainer
    if facts is None:
        explainer = TerritoryExplainer(snapshot, entity, documents)
    elif entity.startswith("meter/"):
        explainer = MeterExplainer(facts, snapshot.meters[entity], documents)
    else:
        explainer = EnterpriseExplainer(facts, documents)
    return Explanation(
        question,
        snapshot.unit_of(metric),
        documents.series(entity, metric, name),
        documents.fold(entity, metric, name),
        explainer.node(metric, name),
        facts,
        documents,
        notes,
    )


async def _gather_territory(
    settings: Settings, topics: Topics, snapshot: Snapshot, question: Question, each: Window, held: Held, tell: Tell
) -> None:
    """Read the documents of a territory and of its members, and add the members up."""
    territory = frozenset({question.entity})
    members = members_ever(Membership(snapshot), snapshot.enterprises, territory)
    selection = Selection(frozenset(), frozenset(map("enterprise/{}".format, members)), frozenset(), territory)
    reader = SeriesReader(
        settings, selection.entities, selection.entities.__contains__, held, tell, of_period=_needed(each)
    )
    reports = await reports_of(topics, territory)
    while True:
        await reader.read(topics, {})
        held.put_fold(dict(held.texts("enterprise/")))
        await asyncio.to_thread(add_up, snapshot, selection, reports, held)
        documents = Documents(held)
        same = documents.series(*question) == documents.fold(*question)
        # The territory worker follows within seconds.
        if same or time.time() * 1000 - reader.latest_ms > SETTLE_S * 1000:
            return
        await asyncio.sleep(LOOK_S)


def _needed(each: Window) -> Callable[[str], bool]:
    """Return which periods a window's number and its parts depend on."""
    year, month = each.name[:4], each.name[:7]
    if each.kind in ("quarter", "year"):
        return lambda period: period[:4] == year
    return lambda period: period[:7] == month or period == year
