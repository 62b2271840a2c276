"""An observation view is what a rule looks at besides a metric's value, with the targets it needs; see `views`."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from schemas.documents.observation import UNITS, Against, Method, Observed
from schemas.documents.target import Pacing
from schemas.windows import WINDOW_KINDS, Window, window_at
from streams.domain.views import PauseView

# What depends on the passing of time, besides what is known of windows.
TIMED: frozenset[Observed] = frozenset({"change", "used", "pace", "projection", "progress", "coverage", "silence"})
# What looks at quotas; `progress` may, too.
OF_QUOTAS: frozenset[Observed] = frozenset({"used", "pace", "projection"})


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target of an entity for a period (its window's name): `quota` [1e-6 of the metric's unit] or `change_pct` [%].

    `months` are the weights of a profile's months. It holds in periods that touch `from_ms` to `to_ms` [epoch ms].
    """

    id: str
    entity: str
    metric: str
    period: str
    quota: int | None
    change_pct: Fraction | None
    pacing: Pacing
    months: tuple[Fraction, ...]
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class ObservationView:
    """What is observed of `metric` ("" where none is meant; `ind.ID` for an indicator).

    `unit` is that of the metric; `in_pct` turns a growth indicator's value into % and is None for any other metric.
    `targets` are by entity and period; `by_last_year` says that the same window of the year before goes into it.
    Times are in ms; `allowed_gap` is a fraction.
    """

    of: Observed
    metric: str
    unit: str
    against: Against | None
    after_ms: int
    method: Method | None
    allowed_gap: Fraction
    rules: frozenset[str] | None
    start_up_ms: int
    shut_down_ms: int
    exempt: tuple[PauseView, ...]
    in_pct: Fraction | None
    targets: Mapping[tuple[str, str], TargetView]
    by_last_year: bool

    @property
    def subject(self) -> str:
        """How reasons call it."""
        return f"{self.of} of {self.metric}" if self.metric else self.of

    @property
    def shown_in(self) -> str:
        """The unit of what is observed."""
        return UNITS.get(self.of, self.unit)

    @property
    def timed(self) -> bool:
        """Whether it depends on the passing of time."""
        return self.of in TIMED

    def target(self, entity: str, each: Window) -> TargetView | None:
        """Return the target of an entity for a window or the nearest longer period around it."""
        for kind in WINDOW_KINDS[WINDOW_KINDS.index(each.kind) :]:
            found = self.targets.get((entity, window_at(each.start_ms, kind).name))
            if found is not None and found.from_ms < each.end_ms and found.to_ms > each.start_ms:
                return found
        return None
