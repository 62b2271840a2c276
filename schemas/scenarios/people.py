"""People in a story (人): what they do about alarms at a moment, and what somebody must have been told by then."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.documents.envelope import Strict
from schemas.documents.fields import Id, Text, fault
from schemas.scenarios.fields import Entity, TimeText, WindowText

_OF_ALARMS = ("acknowledge", "assign", "comment", "close")
_QUIETING = ("silence", "maintenance")


class Deed(Strict):
    """What somebody does (处置): about the alarm of `rule`, `of` and `start`, or with a silence (静默) of an `id`.

    An acknowledgement may hold `until`; an assignment is `to` somebody. A silence or maintenance is about `rule`, `of`
    or both, from `from` (the moment, if not said) `until` its end; `end` ends it before.
    """

    do: Literal["acknowledge", "assign", "comment", "close", "silence", "maintenance", "end"]
    rule: Id | None = None
    of: Entity | None = None
    start: WindowText | None = None
    by: Text = "scenario"
    to: Text | None = None
    from_: TimeText | None = Field(alias="from", default=None)
    until: TimeText | None = None
    text: Text | None = None
    id: Id | None = None

    @model_validator(mode="after")
    def _says_about_what(self) -> Self:
        if self.do in _OF_ALARMS and (self.rule is None or self.start is None):
            raise fault("missing", f"to {self.do} an alarm, write its rule and start (and `of`, if not the page's own)")
        if self.do in _QUIETING and (self.until is None or (self.rule is None and self.of is None)):
            raise fault("missing", f"a {self.do} says what is silent (rule, of or both) and until when")
        if (self.do == "end" or self.do in _QUIETING) and self.id is None:
            raise fault("missing", f"{self.do}: write the id of the silence")
        if (self.to is None) == (self.do == "assign"):
            raise fault("missing" if self.do == "assign" else "unknown_field", "`to` is whom an alarm is assigned to")
        return self


class ToldExpected(Strict):
    """That a recipient was told (告知) of an alarm: an event by its `condition`, or a step of an escalation by number.

    `at` is when, where that matters: a step may have been due between two moments.
    """

    to: Id
    rule: Id
    of: Entity | None = None
    start: WindowText
    condition: Literal["ok", "pending", "firing", "recovering", "no_data", "error", "established", "withdrawn"] = (
        "firing"
    )
    step: Annotated[int, Field(ge=1)] | None = None
    at: TimeText | None = None
