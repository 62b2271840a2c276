"""An observation (观测) says what a rule looks at besides the value of a metric: change, quota, progress, data quality.

Each kind has its own unit, in which the rule's thresholds are written: see `UNITS`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from schemas.documents.envelope import Strict
from schemas.documents.fields import Duration, NonNegativeDecimal, Text, fault
from schemas.documents.pause import Instant
from schemas.windows import WindowKind

Observed = Literal[
    "change", "used", "pace", "projection", "progress", "coverage", "silence", "findings", "balance", "running"
]
Against = Literal["day_before", "year_before"]
Method = Literal["intensity", "gap"]

# In which unit what is observed is told; `running` and a plain metric keep their own.
UNITS: Mapping[Observed, str] = {
    "change": "%",
    "used": "%",
    "pace": "%",
    "projection": "%",
    "progress": "level",
    "coverage": "%",
    "silence": "h",
    "findings": "findings",
    "balance": "%",
}


class Exemption(Strict):
    """A time in which what is observed does not count, and why."""

    from_: Instant = Field(alias="from")
    to: Instant
    reason: Text

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.to <= self.from_:
            raise fault("empty_range", f"it ends at {self.to}, which is not after {self.from_}")
        return self


class Observation(Strict):
    """What is looked at in a window.

    `change`: by how much [%] the value is above that of the same window of the day or the year before (同比). `used`:
    what a quota's period has used up to now [% of the quota]; `pace`: the same in % of what the target's pacing allows
    up to now; `projection`: what the period will end with at this pace [% of the quota], once `after` of it has passed.
    `progress`: the level of the three-level barometer (晴雨表), 1 the gravest, by the `method` for an intensity or by
    the gap to a target, of which `allowed_gap_pct` is level 2. `coverage`: the share of time of which there are data
    [%]. `silence`: the longest time without a reading of a meter, source or enterprise that reaches into the window
    [h]. `findings`: how many findings are open, of the `rules` named or of any. `balance`: what sub-meters do not
    explain [% of the meter]. `running`: the metric's own value, but none while the enterprise stands still, for
    `start_up` after and `shut_down` before that, nor in the times that are `exempt`.
    """

    of: Observed
    against: Against | None = None
    after: Duration | None = None
    method: Method | None = None
    allowed_gap_pct: NonNegativeDecimal | None = None
    rules: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    start_up: Duration | None = None
    shut_down: Duration | None = None
    exempt: tuple[Exemption, ...] = ()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        form = _FORMS[self.of]
        # A document that was written down names its empty lists, too.
        said = {name for name in self.model_fields_set if getattr(self, name) not in (None, ())}
        for name in sorted(said - {"of", *form.needed, *form.other}):
            raise fault("unknown_field", f"an observation of {self.of} has no {name}")
        for name in form.needed:
            if getattr(self, name) is None:
                raise fault("missing", f"an observation of {self.of} needs {name}")
        if self.allowed_gap_pct is not None and self.method != "gap":
            raise fault("unknown_field", "allowed_gap_pct belongs to method gap")
        return self


class _Form(NamedTuple):
    """What an observation of a kind needs and may say, what its rule watches and selects, and its least and most."""

    needed: tuple[str, ...]
    other: tuple[str, ...]
    metric: Literal["needed", "either", "optional", "none"]
    windows: tuple[WindowKind, ...]
    kinds: tuple[str, ...] | None  # None: of any kind but a source
    least: int | None
    most: int | None


_ANY: tuple[WindowKind, ...] = ("hour", "day", "month", "quarter", "year")
_LONG: tuple[WindowKind, ...] = ("month", "quarter", "year")
_FORMS: Mapping[Observed, _Form] = {
    "change": _Form(("against",), (), "either", _ANY, None, None, None),
    "used": _Form((), (), "needed", _LONG, None, None, None),
    "pace": _Form((), (), "needed", _LONG, None, None, None),
    "projection": _Form((), ("after",), "needed", _LONG, None, None, None),
    "progress": _Form(("method",), ("allowed_gap_pct",), "either", _LONG, None, 1, 3),
    "coverage": _Form((), (), "optional", _ANY, None, 0, 100),
    "silence": _Form((), (), "none", ("hour",), ("meter", "source", "enterprise"), 0, None),
    "findings": _Form((), ("rules",), "none", ("hour", "day"), ("meter", "enterprise"), 0, None),
    "balance": _Form((), (), "needed", _ANY, None, 0, None),
    "running": _Form((), ("start_up", "shut_down", "exempt"), "needed", ("hour",), ("meter", "enterprise"), None, None),
}


class Watched(NamedTuple):
    """What else a rule says, as far as an observation has to fit it; a bound is a direction and a value."""

    metric: str | None
    indicator: str | None
    window: WindowKind
    period: str
    kind: str
    bounds: tuple[tuple[str, tuple[str, Decimal]], ...]


def check_watched(found: Observation, watched: Watched) -> None:
    """Raise the fault of a rule that could never observe what its observation says."""
    form = _FORMS[found.of]
    if form.metric == "none" and (watched.metric or watched.indicator):
        raise fault("unknown_field", f"an observation of {found.of} has neither metric nor indicator")
    if form.metric != "either" and watched.indicator:
        raise fault("unknown_field", f"an observation of {found.of} is of a metric, not of an indicator")
    if form.metric == "needed" and watched.metric is None:
        raise fault("missing", f"an observation of {found.of} needs metric")
    if form.metric == "either" and (watched.metric is None) == (watched.indicator is None):
        raise fault("missing", f"an observation of {found.of} needs either metric or indicator")
    if watched.window not in form.windows:
        raise fault("bad_window", f"{found.of} is observed by {' or '.join(form.windows)}, not by {watched.window}")
    if found.against == "day_before" and watched.window not in ("hour", "day"):
        raise fault("bad_window", f"a {watched.window} has no same window on the day before: use year_before")
    if found.of == "silence" and watched.period != "episode":
        raise fault("bad_period", "a silence is an episode: it lasts until readings come again")
    if found.of == "balance" and not (watched.metric or "").startswith("unexplained."):
        raise fault("bad_metric", f"a balance is of unexplained.CARRIER, not of {watched.metric}")
    if form.kinds is None and watched.kind == "source":
        raise fault("bad_kind", f"a source has no {found.of}: only silence is observed of it")
    if form.kinds is not None and watched.kind not in form.kinds:
        raise fault("bad_kind", f"{found.of} is observed of {', '.join(form.kinds)}, not of a {watched.kind}")
    for name, (direction, value) in watched.bounds:
        if not _can_hold(form, direction, value):
            said = f"{form.least}" + ("" if form.most is None else f" to {form.most}")
            raise fault("never_holds", f"{name} {direction} {value} never holds: {found.of} is from {said} on")


def _can_hold(form: _Form, direction: str, value: Decimal) -> bool:
    if direction in ("gt", "ge") and form.most is not None:
        return value < form.most or (direction == "ge" and value == form.most)
    if direction in ("lt", "le") and form.least is not None:
        return value > form.least or (direction == "le" and value == form.least)
    return True
