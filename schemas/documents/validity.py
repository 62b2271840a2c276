"""Validity (有效性) is how much must be measured for an average of a gauge to count: of an hour, and of a day."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.documents.envelope import Strict
from schemas.documents.fields import Duration, Text, duration_ms, fault
from schemas.windows import HOUR_MS


class Validity(Strict):
    """The measured time an hour's average needs, the valid hours a day's needs, and the standard that says so."""

    hour: Duration
    day_hours: Annotated[int, Field(ge=1, le=24)]
    source: Text

    @property
    def hour_ms(self) -> int:
        """The measured time that an hour's average needs [ms]."""
        return duration_ms(self.hour)

    @model_validator(mode="after")
    def _fits_an_hour(self) -> Self:
        if self.hour_ms > HOUR_MS:
            raise fault("too_long", f"{self.hour} is longer than the hour of which so much must be measured")
        return self
