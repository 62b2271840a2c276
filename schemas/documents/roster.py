"""A roster (值班表) says who of several recipients is on call from when to when: turns by dates, or a rotation."""

import datetime as dt
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.documents.envelope import Entry, Envelope, Strict
from schemas.documents.fields import Day, Id, fault
from schemas.documents.notification import NotEmpty
from schemas.documents.quiet import TimeOfDay


class Turn(Entry):
    """Who is on call from a local day on, until `to` (that day's turn is another's) or until the next turn begins."""

    to: Day | None = None
    recipients: Annotated[tuple[Id, ...], NotEmpty]

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.to is not None and self.to <= self.from_:
            raise fault("empty_range", f"it ends on {self.to}, which is not after {self.from_}")
        return self


class Rotation(Strict):
    """Recipients who take turns of so many days each, one after the other and from the beginning again."""

    from_: Day = Field(alias="from")
    days: Annotated[int, Field(ge=1, le=366)]
    recipients: Annotated[tuple[Id, ...], NotEmpty]


class RosterSpec(Strict):
    """Turns, a rotation, or both: then a turn stands in place of the rotation, and needs its end.

    `at` is the local time of day of the hand-over. Somebody is on call at every instant: where turns stand alone, each
    begins where the one before it ends.
    """

    turns: tuple[Turn, ...] = ()
    rotation: Rotation | None = None
    at: TimeOfDay = "00:00"

    @model_validator(mode="after")
    def _somebody_is_on_call(self) -> Self:
        if not self.turns and self.rotation is None:
            raise fault("missing", "a roster says who is on call: write turns, a rotation, or both")
        for earlier, later in pairwise(self.turns):
            if later.from_ < earlier.from_:
                raise fault("not_sorted", f"{later.from_} stands after {earlier.from_}: sort the turns by day")
            if later.from_ == earlier.from_ or (earlier.to is not None and later.from_ < earlier.to):
                message = (
                    f"the turns from {earlier.from_} and from {later.from_} overlap: end the first on {later.from_}"
                )
                raise fault("overlap", message)
            if self.rotation is None and earlier.to is not None and earlier.to < later.from_:
                raise fault("gap", f"nobody is on call from {earlier.to} to {later.from_}: add a turn")
        open_ = next((turn for turn in self.turns if turn.to is None), None)
        if self.rotation is not None and open_ is not None:
            message = f"the turn from {open_.from_} has no end, so the rotation would never come again: write its to"
            raise fault("missing", message)
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody who is ever on call, once."""
        named = [id_ for turn in self.turns for id_ in turn.recipients]
        return tuple(dict.fromkeys([*named, *(self.rotation.recipients if self.rotation is not None else ())]))


class Roster(Envelope):
    """A roster (值班表)."""

    kind: Literal["roster"]
    spec: RosterSpec

    @model_validator(mode="after")
    def _covers_its_days(self) -> Self:
        spec = self.spec
        first = spec.rotation.from_ if spec.rotation is not None else spec.turns[0].from_
        if spec.turns and spec.rotation is not None:
            first = min(first, _covered_from(spec.turns, first))
        if first > self.valid_from:
            raise fault("gap", f"nobody is on call from {self.valid_from} to {first}: begin on valid_from")
        last = None if spec.rotation is not None else spec.turns[-1].to
        if last is not None and (self.valid_to is None or last < self.valid_to):
            message = f"nobody is on call from {last} on: leave the last turn's to out, or end the roster (valid_to)"
            raise fault("gap", message)
        return self


def _covered_from(turns: tuple[Turn, ...], day: dt.date) -> dt.date:
    """Return the earliest day from which turns lead without a gap to a day."""
    for turn in reversed(turns):
        if turn.to is not None and turn.from_ < day <= turn.to:
            day = turn.from_
    return day
