"""An escalation (升级) is who else is told, step by step, of an alarm that nobody takes in hand."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Duration, Id, duration_ms, fault
from schemas.documents.notification import NotEmpty
from schemas.documents.quiet import TimeOfDay, of_day_ms
from schemas.windows import DAY_MS

LONGEST_MS = 366 * DAY_MS


class WorkingSpan(Strict):
    """A span of a working day in which people work, such as 08:30 to 12:00."""

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.to <= self.from_:
            raise fault("empty_range", f"it ends at {self.to}, which is not after {self.from_}")
        return self


class EscalationStep(Strict):
    """Who is told once nobody has had the alarm in hand for `after`, counted from its beginning.

    With `working` only the working hours of working days count, and a day is as long as its working hours. `on_call`
    are rosters: who is on call at that instant is told.
    """

    after: Duration
    working: bool = False
    recipients: tuple[Id, ...] = ()
    on_call: tuple[Id, ...] = ()

    @model_validator(mode="after")
    def _tells_somebody(self) -> Self:
        if not self.recipients and not self.on_call:
            raise fault("missing", "a step tells somebody: write recipients, on_call, or both")
        if duration_ms(self.after) > LONGEST_MS:
            raise fault("too_long", f"{self.after} is more than 366 days: nobody would remember why")
        return self


class EscalationSpec(Strict):
    """Steps, one after the other; `hours` are the working hours of a working day, needed where a step counts them.

    Where the alarm is assigned to a recipient, each step tells him first, and its own recipients `owner_first` later,
    counted as the step is; without it all at once.
    """

    steps: Annotated[tuple[EscalationStep, ...], NotEmpty]
    hours: tuple[WorkingSpan, ...] = ()
    owner_first: Duration | None = None

    @model_validator(mode="after")
    def _hours_can_be_counted(self) -> Self:
        if not self.hours and any(step.working for step in self.steps):
            raise fault("missing", 'a step counts working time: write hours, such as [{from: "08:30", to: "17:30"}]')
        for place, span in enumerate(self.hours[1:]):
            if span.from_ < self.hours[place].to:
                raise fault(
                    "overlap", f"hours from {span.from_} begin before {self.hours[place].to}: sort, and join them"
                )
        if self.owner_first is not None and duration_ms(self.owner_first) > LONGEST_MS:
            raise fault("too_long", f"owner_first {self.owner_first} is more than 366 days")
        lengths = [self.length_ms(step.after, step.working) for step in self.steps]
        for place, (earlier, later) in enumerate(pairwise(self.steps)):
            if earlier.working == later.working and lengths[place + 1] <= lengths[place]:
                raise fault("not_sorted", f"{later.after} is not after the {earlier.after} before it: sort the steps")
        return self

    @property
    def spans_ms(self) -> tuple[tuple[int, int], ...]:
        """The working hours of a working day, from its beginning [ms]."""
        return tuple((of_day_ms(span.from_), of_day_ms(span.to)) for span in self.hours)

    def length_ms(self, duration: str, working: bool) -> int:
        """Return how long a duration is as it is counted [ms]: a working day is as long as its working hours."""
        plain = duration_ms(duration)
        if not working or not duration.endswith("d"):
            return plain
        return plain // DAY_MS * sum(end - start for start, end in self.spans_ms)


class Escalation(Envelope):
    """An escalation (升级)."""

    kind: Literal["escalation"]
    spec: EscalationSpec
