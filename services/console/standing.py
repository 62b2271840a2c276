"""A standing is where an indicator's value lies among the tiers of its limit, in the latest window that has one."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.windows import WINDOW_KINDS, Window, WindowKind, window_at
from streams.domain.rule_views import LimitView
from streams.domain.watching import LIMIT_WINDOWS, gravity
from streams.stores.series import WindowPoint

# Room beyond the first and the last mark of the scale, as a share of their distance.
_ROOM = 0.3


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a limit: a value above `max` has passed it; `text` is what the document says."""

    id: str
    max: float
    text: str
    severity: str


def tiers_of(limit: LimitView) -> tuple[Tier, ...]:
    """Return the tiers of a limit from the mildest up."""
    count = len(limit.tiers)
    return tuple(
        Tier(one.id, float(one.max), one.text, one.severity or gravity(place, count))
        for place, one in enumerate(limit.tiers)
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """A value [the limit's unit] of a window among tiers; `window` and `value` are None while there is none."""

    tiers: tuple[Tier, ...]
    window: Window | None
    value: float | None

    @property
    def passed(self) -> Tier | None:
        """The gravest tier that the value has passed."""
        if self.value is None:
            return None
        return next((tier for tier in reversed(self.tiers) if self.value > tier.max), None)

    @property
    def ahead(self) -> Tier:
        """The tier that the value would pass next; the last one when all are passed."""
        value = self.value
        return next((tier for tier in self.tiers if value is None or value <= tier.max), self.tiers[-1])

    @property
    def margin(self) -> float | None:
        """How much is left up to that tier; below 0 beyond the last one."""
        return None if self.value is None else self.ahead.max - self.value

    @property
    def share(self) -> float | None:
        """The value as a share of the last tier; None unless that is positive: a share of 0 or less says nothing."""
        last = self.tiers[-1].max
        return self.value / last if self.value is not None and last > 0 else None

    def scale(self) -> tuple[float, float]:
        """Return the ends of a scale on which all tiers and the value lie, with room on both sides."""
        marks = [*(tier.max for tier in self.tiers), *([] if self.value is None else [self.value])]
        low, high = min(marks), max(marks)
        room = (high - low or abs(high) or 1.0) * _ROOM
        return low - room, high + room

    def place(self, value: float) -> float:
        """Return where a value lies on the scale (0 to 1)."""
        low, high = self.scale()
        return (value - low) / (high - low)


def newest(points: Mapping[WindowKind, WindowPoint]) -> tuple[Window, float] | None:
    """Return the window that begins last of those a limit is about and that have a value; of equals the shortest."""
    found: list[tuple[int, int, WindowKind, float]] = [
        (point.start_ms, -WINDOW_KINDS.index(kind), kind, point.value)
        for kind, point in points.items()
        if kind in LIMIT_WINDOWS and point.value is not None
    ]
    if not found:
        return None
    start_ms, _, kind, value = max(found)
    return window_at(start_ms, kind), value
