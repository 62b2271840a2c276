"""Rows of the tables of evidence: readings as they came, spans between them, hours of meters."""

from collections.abc import Iterator, Sequence
from typing import Any

from schemas.decimals import decimal_text
from schemas.windows import local_datetime
from services.explain import wording
from services.explain.facts import HourFacts, Line
from streams.domain.selling import named
from streams.domain.spans import MeterHour, Reading, Span
from streams.domain.views import MeterView

READINGS = ("meter", "ts", "value", "unit", "rev", "quality", "received")
SPANS = (
    "hour", "meter", "from", "to", "first_value", "last_value", "per_unit", "amount", "part_from", "part_to", "part",
    "kind", "reason", "like_days",
)  # fmt: skip
HOURS = (
    "hour", "meter", "carrier", "role", "sign", "amount", "rest", "expected_s", "measured_s", "estimated_s", "counted",
)  # fmt: skip


def decimal(value: int | None) -> str:
    """Return an amount in millionths as an exact decimal, "" where it is not known."""
    return wording.number(value) or ""


def instant(ms: int) -> str:
    """Return an instant as local time with its offset."""
    return local_datetime(ms).isoformat(timespec="milliseconds")


def reading_row(meter: MeterView, each: Reading) -> Sequence[Any]:
    """Return a reading as it came, under READINGS."""
    value = "" if each.value is None else decimal_text(each.value, meter.scale)
    return (
        named(meter),
        instant(each.t_ms),
        value,
        meter.unit,
        each.rev,
        each.quality or "void",
        instant(each.received_ms),
    )


def span_row(hour: str, meter: MeterView, each: Span) -> Sequence[Any]:
    """Return what lies between two readings, and how much of it the hour has, under SPANS."""
    first = "" if each.first is None or each.first.value is None else decimal_text(each.first.value, meter.scale)
    last = "" if each.last is None or each.last.value is None else decimal_text(each.last.value, meter.scale)
    return (
        hour, named(meter), instant(each.from_ms), instant(each.to_ms), first, last,
        decimal_text(each.micro_per_count * 10**meter.scale), decimal(each.amount), instant(each.low_ms),
        instant(each.high_ms), decimal(each.part), each.kind, each.reason,
        " ".join(map(wording.day, each.days)),
    )  # fmt: skip


def hour_row(hour: str, meter: MeterView, sign: int, mine: MeterHour) -> Sequence[Any]:
    """Return a meter's hour and its sign in the balance (0: beside it), under HOURS."""
    times = (decimal_text(each, 3) for each in (mine.expected_ms, mine.measured_ms, mine.estimated_ms))
    counted = "yes" if mine.measured_ms + mine.estimated_ms else "no"
    return (
        hour,
        named(meter),
        meter.carrier,
        meter.role,
        sign,
        decimal_text(mine.amount),
        decimal_text(mine.rest),
        *times,
        counted,
    )


def differences(
    hour: str, metric: str, computed: HourFacts, nodes: Sequence[Sequence[Line]]
) -> Iterator[Sequence[Any]]:  # fmt: skip
    """Yield what the sub-meters of each meter do not explain of it."""
    for lines in nodes:
        total = decimal_text(sum(computed.meters[line.place].amount * line.sign for line in lines))
        yield (hour, metric, lines[0].meter.carrier, total, "", "", "", total, "", "", "", "")
