"""An exchange (换表) is the replacement of a register's instrument by another one that begins at a value of its own."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import NonNegativeDecimal, PositiveDecimal, fault
from schemas.documents.meter import MeterId
from schemas.instants import InstantError, instant_ms
from schemas.windows import local_datetime


def read_instant(value: Any) -> Any:
    """Return the instant that a field of a document names; raise pydantic's error for one that names none."""
    # Readers of YAML make a time of what is written without quotes.
    text = value.isoformat() if isinstance(value, dt.datetime) else value
    if not isinstance(text, str):
        raise fault("bad_instant", f"{value!r} is no instant: write 2026-11-21T08:15:00+08:00")
    try:
        return local_datetime(instant_ms(text))
    except InstantError as error:
        raise fault("bad_instant", str(error)) from error


class ExchangeSpec(Strict):
    """When which register was exchanged, and what the two instruments showed.

    `final` is the last value of the old instrument and `initial` the first of the new one; what is not known is left
    out, and the energy of the span is then missing. `multiplier` holds from the exchange on, until the meter's own
    list names another. A reading at the instant is of the new instrument.
    """

    meter: MeterId
    at: Annotated[dt.datetime, BeforeValidator(read_instant)]
    final: NonNegativeDecimal | None = None
    initial: NonNegativeDecimal | None = None
    multiplier: PositiveDecimal | None = None
    reason: Annotated[str, Field(min_length=1, max_length=400)] | None = None


class Exchange(Envelope):
    """An exchange (换表) of a register's instrument."""

    kind: Literal["exchange"]
    spec: ExchangeSpec
