"""A play runs a story through the pure fold: once as it is told, or with everything that arrives in another order."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from schemas.messages import Condition, Finding, Reported
from schemas.windows import Window
from services.scenarios.files import Story
from services.scenarios.judging import Difference, Judge
from services.scenarios.people import People
from services.scenarios.telling import Chapter, Push, Report, message_of
from streams.domain.lookup import Known, look_up
from streams.domain.registry import Snapshot
from streams.domain.rehearsal import Rehearsal

Item = tuple[Push | Report, Snapshot]


class Result(NamedTuple):
    """What came of a story: how many things were held against what it expects, and what differs."""

    checks: int
    differences: tuple[Difference, ...]


class _Stage:
    """A rehearsal that can be asked."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal

    def known(self, entity: str, metric: str, window: Window) -> Known:
        return look_up(self._rehearsal.totals, entity, metric, window)

    def findings(self) -> Iterable[Finding]:
        return self._rehearsal.findings.values()

    def conditions(self) -> Iterable[Condition]:
        return self._rehearsal.conditions.values()


def play(story: Story, chapters: Sequence[Chapter]) -> Result:
    """Play a story as it is told, and judge it at every moment."""
    judge = Judge(story)
    rehearsal, people = Rehearsal(), People()
    for chapter in chapters:
        people.pass_time(chapter.moment.at_ms)
        people.follow(chapter.snapshot)
        rehearsal.follow(chapter.snapshot)
        messages, refused = _messages(chapter, [(item, chapter.snapshot) for item in arriving(chapter)])
        for message in messages:
            rehearsal.take(message)
        rehearsal.tick(chapter.moment.at_ms)
        rehearsal.add_up()
        people.hear(rehearsal.events)
        rehearsal.events.clear()
        undone = people.act(chapter.moment, chapter.named, rehearsal.conditions.values())
        judge.judge(chapter, _Stage(rehearsal), [*refused, *_fold_refused(rehearsal)])
        judge.judge_people(chapter, people.told(), undone)
    return Result(judge.checks, tuple(judge.differences))


def play_shuffled(story: Story, chapters: Sequence[Chapter], seed: int) -> Result:
    """Judge every moment on an installation of its own, to which all up to then came in another order, and twice.

    The stamps of arrival stay what they were, and the registry is the one of that moment from the beginning.
    """
    judge = Judge(story, history=False)
    chance = random.Random(seed)
    for last, chapter in enumerate(chapters):
        if not chapter.is_judged:
            continue
        past = chapters[: last + 1]
        items: list[Item] = [(item, each.snapshot) for each in past for item in arriving(each)]
        pieces = [piece for item, snapshot in items for piece in _split(item, snapshot, chance)] * 2
        chance.shuffle(pieces)
        messages, _ = _messages(chapter, pieces)
        rehearsal = Rehearsal()
        rehearsal.follow(chapter.snapshot)
        ticks = [each.moment.at_ms for each in past]
        places = sorted(chance.randint(0, len(messages)) for _ in ticks)
        done = 0
        for place, tick in zip(places, ticks, strict=True):
            if messages[done:place]:
                rehearsal.take(*messages[done:place])
            rehearsal.tick(tick)
            done = place
        if messages[done:]:
            rehearsal.take(*messages[done:])
        rehearsal.add_up()
        judge.judge(chapter, _Stage(rehearsal), ())
    return Result(judge.checks, tuple(judge.differences))


def arriving(chapter: Chapter) -> Iterator[Push | Report]:
    """Yield what arrives at a moment, in order."""
    yield from chapter.pushes
    yield from chapter.reports


def _messages(chapter: Chapter, items: Iterable[Item]) -> tuple[list[bytes | Reported], list[str]]:
    """Return the messages that the gateway makes of what arrives, and what it refuses."""
    messages: list[bytes | Reported] = []
    refused: list[str] = []
    for place, (item, snapshot) in enumerate(items):
        if isinstance(item, Push):
            message, said = item.message(snapshot, f"moment-{chapter.place}-{place}")
        else:
            message, said = message_of(item, snapshot)
        refused += said
        if message is not None:
            messages.append(message)
    return messages, refused


def _split(item: Push | Report, snapshot: Snapshot, chance: random.Random) -> Iterator[Item]:
    if isinstance(item, Report):
        yield item, snapshot
        return
    rows = list(item.rows)
    chance.shuffle(rows)
    while rows:
        size = chance.randint(1, max(1, len(rows)))
        yield item._replace(rows=tuple(rows[:size])), snapshot
        rows = rows[size:]


def _fold_refused(rehearsal: Rehearsal) -> list[str]:
    found = [f"{one.code} ({one.message})" for one in rehearsal.rejected]
    rehearsal.rejected.clear()
    return found
