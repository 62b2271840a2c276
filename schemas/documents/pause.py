"""A pause is a declared time in which something does not run: meters (outage, 停电) or production (stop, 停产)."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.exchange import read_instant
from schemas.documents.fields import Id, fault
from schemas.documents.meter import MeterId

Instant = Annotated[dt.datetime, BeforeValidator(read_instant)]
Reason = Annotated[str, Field(min_length=1, max_length=400)]


class _Pause(Strict):
    """From when, until when (null: not over yet), and why."""

    from_: Instant = Field(alias="from")
    to: Instant | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.to is not None and self.to <= self.from_:
            raise fault("empty_range", f"it ends at {self.to}, which is not after {self.from_}")
        return self


class OutageSpec(_Pause):
    """Of which meter, or of which enterprise with all its meters."""

    meter: MeterId | None = None
    enterprise: Id | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.meter is None) == (self.enterprise is None):
            raise fault("missing", "an outage names either a meter or an enterprise")
        return self


class Outage(Envelope):
    """An outage (停电): nothing is measured in it and nothing expected, but for registers, which go on afterwards."""

    kind: Literal["outage"]
    spec: OutageSpec


class StopSpec(_Pause):
    """Of which enterprise."""

    enterprise: Id


class Stop(Envelope):
    """A stop of production (停产): meters go on measuring, but what they measure is not what is usual."""

    kind: Literal["stop"]
    spec: StopSpec
