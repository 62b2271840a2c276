"""A grouping (归并) is what a recipient wants to be told together: alarms of one place, of one kind, or of one rule."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.documents.envelope import Strict
from schemas.documents.fields import Duration, duration_ms, fault
from schemas.windows import DAY_MS

GroupedBy = Literal["place", "kind", "rule"]
LONGEST_MS = DAY_MS


class Grouping(Strict):
    """Events that are alike in all that `by` names are one group: what comes of it close together is one message.

    `place` is the county of the entity, or the entity itself where it lies in none; `kind` is the entity's kind. The
    first event of a group goes out at once, or after `wait`, with what came meanwhile; from then on the group is told
    at most once in every `interval`. Without `by` everything for the recipient is one group.
    """

    by: Annotated[tuple[GroupedBy, ...], Field(max_length=3)] = ()
    wait: Duration | None = None
    interval: Duration

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if len(set(self.by)) != len(self.by):
            raise fault("duplicate", f"by names something twice: {', '.join(self.by)}")
        for name, length in (("wait", self.wait_ms), ("interval", self.interval_ms)):
            if length > LONGEST_MS:
                raise fault("too_long", f"{name} is longer than a day: an alarm would be told when it is over")
        return self

    @property
    def wait_ms(self) -> int:
        """How long the first event of a group waits for others [ms]."""
        return 0 if self.wait is None else duration_ms(self.wait)

    @property
    def interval_ms(self) -> int:
        """The shortest time between two messages of a group [ms]."""
        return duration_ms(self.interval)
