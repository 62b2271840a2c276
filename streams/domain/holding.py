"""A held correction (待复核更正) is one that counts for nothing until a second person has confirmed it.

What happens to it are events of one log; their order there decides, so that of two people who decide at once the first
one has. Which corrections are held is said by `settings`, by the day on which they come.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from msgspec.structs import replace as restruct

from schemas.messages import Batch, Correction, HeldEvent
from schemas.windows import window_at
from streams.domain.checking import Checked
from streams.domain.registry import Snapshot

State = Literal["waiting", "confirmed", "rejected", "published"]
# What may follow what; every other event comes too late and changes nothing.
_NEXT: dict[str, tuple[str | None, ...]] = {
    "waiting": (None, "rejected"),
    "confirmed": ("waiting",),
    "rejected": ("waiting",),
    "published": ("confirmed",),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A held correction as it stands: what was sent, and the event that decided, None while it waits.

    `state` is `confirmed` only until its readings are on their way, then `published`; they are not kept here after.
    """

    sent: HeldEvent
    state: State = "waiting"
    decided: HeldEvent | None = None
    readings: int = field(default=0)

    @property
    def batches(self) -> list[Batch]:
        """What is to be published: as sent, but known since it was confirmed, and in both names."""
        decided = self.decided
        if decided is None or self.sent.batches is None:
            return []
        return [
            restruct(
                each,
                received=decided.at,
                correction=Correction(each.correction.reason, each.correction.by, decided.by)
                if each.correction is not None
                else None,
            )
            for each in self.sent.batches
        ]

    def is_by(self, key: str, name: str) -> bool:
        """Tell whether who shows a key, or says a name, is who sent it."""
        return key == self.sent.key or _plain(name) == _plain(self.sent.by)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def fold(held: dict[str, Held], events: Iterable[HeldEvent]) -> None:
    """Put events into the held corrections by id, in the order of the log."""
    for event in events:
        before = held.get(event.id)
        if (before.state if before is not None else None) not in _NEXT.get(event.what, ()):
            continue
        if event.what == "waiting":
            count = sum(len(each.t) for each in event.batches or ())
            held[event.id] = Held(event, readings=count)
        elif before is not None and event.what == "confirmed":
            held[event.id] = replace(before, state="confirmed", decided=event)
        elif before is not None:
            done: State = "rejected" if event.what == "rejected" else "published"
            decided = event if done == "rejected" else before.decided
            held[event.id] = replace(before, sent=_without_readings(before.sent), state=done, decided=decided)


def _without_readings(sent: HeldEvent) -> HeldEvent:
    batches = [restruct(each, i=[], t=[], v=[], rev=None, q=None) for each in sent.batches or ()]
    return restruct(sent, batches=batches)


def needs_second_person(checked: Checked, snapshot: Snapshot, received_ms: int, *, correcting: bool) -> set[int]:
    """Return which accepted readings of a batch that comes at an instant [epoch ms] a second person has to confirm.

    Only what replaces or removes is meant: a revision above 0, or a void. A correction is held as a whole.
    """
    which = snapshot.held_corrections_at(received_ms)
    if which == "none" or not (correcting or checked.revisions or None in checked.v):
        return set()
    found = {
        place
        for place, value in enumerate(checked.v)
        if (value is None or checked.revisions.get(place))
        and (which == "all" or has_settled(checked.t[place], snapshot, received_ms))
    }
    return set(range(len(checked.v))) if found and correcting else found


def has_settled(at_ms: int, snapshot: Snapshot, now_ms: int) -> bool:
    """Tell whether the first window that a reading of an instant [epoch ms] can belong to has settled."""
    # What is stamped at its end belongs to the hour before an edge.
    return window_at(at_ms - 1, "hour").end_ms + snapshot.grace_ms["hour"] <= now_ms


def parted(checked: Checked, places: Collection[int]) -> tuple[Checked, Checked]:
    """Return the readings of a batch but for those at some places (with what was rejected), and those."""
    whole = range(len(checked.v))
    return (
        _of(checked, [place for place in whole if place not in places], rejected=True),
        _of(checked, sorted(places), rejected=False),
    )


def _of(checked: Checked, places: list[int], *, rejected: bool) -> Checked:
    return Checked(
        checked.meters,
        checked.scale,
        [checked.i[place] for place in places],
        [checked.t[place] for place in places],
        [checked.v[place] for place in places],
        {at: checked.revisions[place] for at, place in enumerate(places) if place in checked.revisions},
        {at: checked.qualities[place] for at, place in enumerate(places) if place in checked.qualities},
        checked.rejected if rejected else [],
    )
