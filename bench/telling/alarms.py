"""The alarms of the proof: seeded lives of alarms, each a row of transitions that come one after the other."""

import datetime as dt
import random
import time
from typing import Any, NamedTuple

from bench.telling.audience import RULE, enterprises
from schemas.messages import VERSION, AlarmEvent
from streams.domain.alarm import alarm_id


class _Turn(NamedTuple):
    condition: str
    cause: str
    mute: bool = False


_FIRING = _Turn("firing", "raised")
_TIER = _Turn("firing", "tier")
_OK = _Turn("ok", "cleared")
_LIVES = (
    (_FIRING,),
    (_FIRING, _OK),
    (_FIRING, _TIER, _OK),
    (_FIRING, _Turn("withdrawn", "corrected")),
    (_FIRING, _Turn("firing", "amended"), _Turn("withdrawn", "corrected")),
    (_Turn("pending", "pending"), _FIRING, _Turn("recovering", "recovering"), _OK),
    # Numbers computed again under another registry: of interest to nobody.
    (_Turn("firing", "raised", True), _Turn("ok", "cleared", True)),
)
_SEVERITIES = ("info", "warning", "warning", "critical")
# Each alarm is of an hour of its own.
_FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
# A transition follows the one before within so many writes.
_LATER = 6


class Alarms:
    """Makes the transitions of ever more alarms; `events` are those that were made, of each alarm in order."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._coming: dict[int, list[AlarmEvent]] = {}
        self._write = 0
        self.begun = 0
        self.events: list[AlarmEvent] = []

    def write(self, alarms: int) -> list[AlarmEvent]:
        """Return what is written next: so many new alarms, and what follows of older ones."""
        found = self._coming.pop(self._write, [])
        for _ in range(alarms):
            first, *rest = self._life()
            found.append(first)
            at = self._write
            for one in rest:
                at += self._chance.randint(1, _LATER)
                self._coming.setdefault(at, []).append(one)
        self._write += 1
        self.events += found
        return found

    def rest(self) -> list[AlarmEvent]:
        """Return all that is still to come."""
        found = [one for at in sorted(self._coming) for one in self._coming[at]]
        self._coming.clear()
        self.events += found
        return found

    def _life(self) -> list[AlarmEvent]:
        enterprise = self._chance.choice(enterprises())
        number, self.begun = self.begun, self.begun + 1
        start = f"{_FIRST + dt.timedelta(hours=number):%Y-%m-%dT%H}"
        severity = self._chance.choice(_SEVERITIES)
        found: list[AlarmEvent] = []
        for seq, turn in enumerate(self._chance.choice(_LIVES), 1):
            if turn.cause == "tier":
                severity = self._chance.choice(_SEVERITIES)
            before = found[-1].condition if found else None
            found.append(_event(enterprise, start, seq, before, turn, severity))
        return found


def _event(enterprise: str, start: str, seq: int, before: str | None, turn: _Turn, severity: str) -> AlarmEvent:
    entity, now_ms = f"enterprise/{enterprise}", time.time_ns() // 1_000_000
    over = turn.condition not in ("ok", "withdrawn")
    fields: dict[str, Any] = {
        "id": alarm_id(RULE, entity, start),
        "rule": RULE,
        "rule_version": "1",
        "entity": entity,
        "start": start,
        "period": "hour",
        "condition": turn.condition,
        "tier": "limit" if over else None,
        "severity": severity if over else "info",
        "value": "97.25",
        "limit": "94",
        "unit": "kgce/t",
        "since": now_ms,
        "known": now_ms,
        "reason": "97.25 kgce/t is above 94",
        "coverage": 1.0,
        "seq": seq,
        "from_": before,
        "cause": turn.cause,
        "actor": "engine",
        "mute": turn.mute,
    }
    return AlarmEvent(v=VERSION, **fields)
