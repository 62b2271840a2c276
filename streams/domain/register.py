"""A register (累计表) tells a running total; between two neighbouring valid readings lies a span.

A span's energy is exact or missing, never guessed: a fall is a rollover only where the registered capacity explains it
at a possible rate, an exchange only where it is registered. Which readings are valid is decided by those next to them,
so a late reading changes what lies around it and nothing else.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from schemas.windows import HOUR_MS
from streams.domain.views import ExchangeView, MeterView

# Clocks of collectors are not better than this.
MINUTE_MS = 60_000


class SpanKind(StrEnum):
    """What a span is. The first five have an energy; the others are missing, and the kind says why."""

    NORMAL = "normal"
    TURNED = "possibly_turned"  # so long that the register may have gone through all its numbers unseen
    JITTER = "jitter"
    ROLLOVER = "rollover"
    EXCHANGE = "exchange"
    UNEXPLAINED = "unexplained"
    AMBIGUOUS = "ambiguous"
    INCOMPLETE = "incomplete"
    OVER_CEILING = "over_ceiling"

    @property
    def has_energy(self) -> bool:
        """Whether the energy of such a span is known."""
        return self in _WITH_ENERGY


_WITH_ENERGY = frozenset({SpanKind.NORMAL, SpanKind.TURNED, SpanKind.JITTER, SpanKind.ROLLOVER, SpanKind.EXCHANGE})


class Span(NamedTuple):
    """What lies between the readings at two places of a list; `amount` is in 1e-6 of the carrier's unit."""

    first: int
    last: int
    kind: SpanKind
    amount: int


def spans_of(meter: MeterView, instants: Sequence[int], values: Sequence[int]) -> list[Span]:
    """Return the spans between the valid ones of a register's readings: instants [epoch ms] in order, values [counts].

    Readings that are set aside end no span: a zero that nothing explains, and one absurd value between two readings
    that fit each other.
    """
    readings = _Readings(meter, instants, values)
    return readings.caught_up(readings.spans(readings.without_glitches(readings.without_zeros())))


def ceiling_micro_ms(meter: MeterView, length_ms: int, worth: int) -> int | None:
    """Return the most that a register can have counted in a time [1e-6 of the carrier's unit x ms/h]; None: no limit.

    It is the highest rate over a minute more than the time, and a step of the register, of which a count is `worth`
    [1e-6 of the carrier's unit]: clocks and displays are not exact.
    """
    if meter.max_micro_per_h is None:
        return None
    return meter.max_micro_per_h * (length_ms + MINUTE_MS) + meter.resolution * worth * HOUR_MS


class _Readings:
    def __init__(self, meter: MeterView, instants: Sequence[int], values: Sequence[int]) -> None:
        self.meter = meter
        self.t = instants
        self.v = values

    def without_zeros(self) -> list[int]:
        """Return the places of all readings but of zeros after a higher one that nothing explains."""
        kept: list[int] = []
        for place, value in enumerate(self.v):
            if value or not kept or self.v[kept[-1]] <= 0 or self._fits(kept[-1], place):
                kept.append(place)
        return kept

    def without_glitches(self, places: list[int]) -> list[int]:
        """Return the places without each reading that does not fit in between two that fit each other."""
        odd = [not self._fits(first, next_) for first, next_ in pairwise(places)]
        candidate = [False] * (len(places) + 1)
        for at in range(1, len(places) - 1):
            candidate[at] = (odd[at - 1] or odd[at]) and self._fits(places[at - 1], places[at + 1])
        # Where either side of a fall could go, the earlier stays.
        return [place for at, place in enumerate(places) if not candidate[at] or (candidate[at + 1] and odd[at])]

    def spans(self, places: list[int]) -> list[Span]:
        """Return the spans between the readings at these places."""
        found: list[Span] = []
        for first, last in pairwise(places):
            # After a jitter the mark of before holds: what was counted once is not counted again.
            after_jitter = found and found[-1].kind is SpanKind.JITTER
            mark = self.v[found[-1].first] if after_jitter else self.v[first]
            found.append(Span(first, last, *self._between(first, last, mark)))
        return found

    def caught_up(self, spans: list[Span]) -> list[Span]:
        """Return the spans with each run of equal readings and the step too high that ends it as one gap.

        A collector that stood still and then caught up sends such a run: the step is possible over its whole length.
        """
        found: list[Span] = []
        for span in spans:
            run = len(found)
            while span.kind is SpanKind.OVER_CEILING and run and self._is_flat(found[run - 1]):
                run -= 1
            if run < len(found):
                first = found[run].first
                kind, amount = self._between(first, span.last, self.v[first])
                if kind.has_energy:
                    found[run:] = [Span(first, span.last, kind, amount)]
                    continue
            found.append(span)
        return found

    def _is_flat(self, span: Span) -> bool:
        return span.kind in (SpanKind.NORMAL, SpanKind.TURNED) and self.v[span.first] == self.v[span.last]

    def _fits(self, first: int, last: int) -> bool:
        return self._between(first, last, self.v[first])[0].has_energy

    def _between(self, first: int, last: int, mark: int) -> tuple[SpanKind, int]:
        """Return kind and amount of what lies between two readings; energy counts from `mark` [counts] on."""
        meter, t, v = self.meter, self.t, self.v
        exchanges = meter.exchanges_in(t[first], t[last])
        if not exchanges:
            return _classified(meter, _Part(t[first], t[last], v[first], v[last], mark))
        amount = 0
        for part in _parts(exchanges, t[first], t[last], mark, v[last]):
            kind, more = (SpanKind.INCOMPLETE, 0) if part is None else _classified(meter, part)
            if not kind.has_energy:
                return kind, 0
            amount += more
        return SpanKind.EXCHANGE, amount


class _Part(NamedTuple):
    """A time on one instrument [epoch ms] and its values [counts]; `mark`: energy counts from here on, at the least."""

    from_ms: int
    to_ms: int
    begin: int
    end: int
    mark: int


def _parts(exchanges: Sequence[ExchangeView], from_ms: int, to_ms: int, begin: int, end: int) -> list[_Part | None]:
    """Return the parts of a span before, between and after exchanges; None for one that lacks a value."""
    edges = [from_ms, *(each.at_ms for each in exchanges), to_ms]
    begins = [begin, *(each.initial for each in exchanges)]
    ends = [*(each.final for each in exchanges), end]
    return [
        None if low is None or high is None else _Part(one, other, low, high, low)
        for (one, other), low, high in zip(pairwise(edges), begins, ends, strict=True)
    ]


def _classified(meter: MeterView, part: _Part) -> tuple[SpanKind, int]:
    worth = meter.micro_per_count_at(part.from_ms)
    length_ms = part.to_ms - part.from_ms
    if length_ms and worth != meter.micro_per_count_at(part.to_ms - 1):
        return SpanKind.INCOMPLETE, 0
    fall = part.begin - part.end
    if 0 < fall <= meter.tolerance:
        return SpanKind.JITTER, 0
    highest = None if meter.max_micro_per_h is None else meter.max_micro_per_h * length_ms
    turn = None if meter.modulus is None else meter.modulus * worth * HOUR_MS
    may_turn = highest is not None and turn is not None and highest >= turn
    amount = (part.end - part.mark) * worth
    if fall <= 0:
        ceiling = ceiling_micro_ms(meter, length_ms, worth)
        if ceiling is not None and amount * HOUR_MS > ceiling:
            return SpanKind.OVER_CEILING, 0
        return SpanKind.TURNED if may_turn else SpanKind.NORMAL, max(amount, 0)
    if may_turn:
        return SpanKind.AMBIGUOUS, 0
    # A capacity without a highest rate explains nothing.
    if highest is None or turn is None or amount * HOUR_MS + turn > highest:
        return SpanKind.UNEXPLAINED, 0
    return SpanKind.ROLLOVER, amount + turn // HOUR_MS
