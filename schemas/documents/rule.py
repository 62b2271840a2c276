"""A rule (规则) says which values of a metric or an indicator raise an alarm, and which end it."""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Code, DecimalText, Id, duration_ms, fault
from schemas.documents.indicator import Select, Severity
from schemas.documents.metric import MetricText
from schemas.documents.observation import Observation, Watched, check_watched
from schemas.windows import DAY_MS, HOUR_MS, WINDOW_KINDS, WindowKind

Direction = Literal["gt", "ge", "lt", "le"]
UPWARD: tuple[Direction, ...] = ("gt", "ge")
# As many hours as a month has, and more would be another rule.
LONGEST_COUNT = 744


class Bound(NamedTuple):
    """A direction and the value it starts from."""

    direction: Direction
    value: Decimal


class Threshold(Strict):
    """One comparison, in the unit of what it watches: above (gt), from (ge), below (lt) or up to (le) a value."""

    gt: DecimalText | None = None
    ge: DecimalText | None = None
    lt: DecimalText | None = None
    le: DecimalText | None = None

    @model_validator(mode="after")
    def _is_one_comparison(self) -> Self:
        if sum(value is not None for value in (self.gt, self.ge, self.lt, self.le)) != 1:
            raise fault("bad_threshold", "write exactly one of gt, ge, lt, le")
        return self

    @property
    def bound(self) -> Bound:
        """The comparison as a pair."""
        directions: tuple[Direction, ...] = ("gt", "ge", "lt", "le")
        for direction in directions:
            value: Decimal | None = getattr(self, direction)
            if value is not None:
                return Bound(direction, value)
        raise AssertionError("a threshold is one comparison")


def _meet(one: Bound, other: Bound) -> bool:
    """Tell whether a value can be beyond both bounds."""
    upward, downward = (one, other) if one.direction in UPWARD else (other, one)
    if upward.direction not in UPWARD or downward.direction in UPWARD:
        return True
    both_include_the_edge = upward.direction == "ge" and downward.direction == "le"
    return downward.value > upward.value or (downward.value == upward.value and both_include_the_edge)


class RuleTier(Strict):
    """One step of a rule, which alarms pass and come back from."""

    id: Id
    raise_: Threshold = Field(alias="raise")
    severity: Severity


def _tiers_ascend(tiers: tuple[RuleTier, ...]) -> tuple[RuleTier, ...]:
    if len({tier.id for tier in tiers}) != len(tiers):
        raise fault("duplicate", "two tiers have the same id")
    for milder, graver in pairwise(tiers):
        one, other = milder.raise_.bound, graver.raise_.bound
        if one.direction != other.direction:
            raise fault("not_ascending", f"tiers {milder.id} and {graver.id} compare in two directions")
        beyond = other.value > one.value if one.direction in UPWARD else other.value < one.value
        if not beyond:
            raise fault("not_ascending", f"tier {graver.id} ({other.value}) is not beyond {milder.id} ({one.value})")
    return tiers


class Several(Strict):
    """So many (`n`) of the last so many (`m`) windows."""

    n: Annotated[int, Field(ge=1)]
    m: Annotated[int, Field(le=LONGEST_COUNT)]

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        if self.n >= self.m:
            raise fault("bad_count", f"n ({self.n}) is not less than m ({self.m}): for all of them write for: {self.n}")
        return self


class DuringSeason(Strict):
    """A season, in its periods of some levels only if these are given."""

    season: Id
    levels: Annotated[tuple[Code, ...], Field(min_length=1)] | None = None


def _length(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise fault("bad_length", f"{value!r} is no length: write a number of windows such as 3, or a time such as 3h")
    if isinstance(value, str):
        try:
            _ = duration_ms(value)
        except ValueError as error:
            raise fault("bad_length", f"{error}, or a number of windows") from error
    return value


Length = Annotated[
    int | str,
    BeforeValidator(_length),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]
# Times and levels; a quantity may be less than nothing where more goes out than comes in.
_NEVER_BELOW_ZERO = ("time.", "online.", "avg.")
_LENGTH_MS: dict[WindowKind, int] = {"hour": HOUR_MS, "day": DAY_MS}


class RuleSpec(Strict):
    """When an alarm is raised and when it is cleared again.

    `window` is the calendar window whose value is watched; `period` is what an alarm is about: an accounting period,
    or an episode from the window that raised it to the one that cleared it. Without `clear` an alarm clears as soon as
    `raise` does not hold. In place of `raise` and `severity` may stand `tiers`, from the mildest to the gravest. With
    `observe` the thresholds are in the unit of what is observed. An alarm fires once `raise` holds in all windows of
    `for`, or in n of m windows (`of`); an episode ends once `clear` holds in all windows of `keep_for`. Both are
    numbers of windows, or times that hold a whole number of them.
    `no_data` says how a window counts that settles without a value: it changes nothing (`keep`), it is a condition of
    its own (`no_data`), or it counts as passed (`raise`). The rule holds in all seasons of `during` and in none of
    `except`. `owners` answer for its alarms, `participants` are told what is done about them: ids of recipients.
    """

    metric: MetricText | None = None
    indicator: Id | None = None
    observe: Observation | None = None
    window: WindowKind
    period: Literal["hour", "day", "month", "quarter", "year", "episode"]
    select: Select
    raise_: Threshold | None = Field(alias="raise", default=None)
    tiers: Annotated[tuple[RuleTier, ...], Field(min_length=1), AfterValidator(_tiers_ascend)] | None = None
    clear: Threshold | None = None
    severity: Severity | None = None
    for_: Length | None = Field(alias="for", default=None)
    keep_for: Length | None = None
    of: Several | None = None
    no_data: Literal["keep", "no_data", "raise"] = "keep"
    during: tuple[DuringSeason, ...] = ()
    except_: tuple[DuringSeason, ...] = Field(alias="except", default=())
    owners: tuple[Id, ...] = ()
    participants: tuple[Id, ...] = ()

    @property
    def steps(self) -> tuple[tuple[str | None, Bound, Severity], ...]:
        """The id, the bound and the severity of each tier, from the mildest; of a rule without tiers its only one."""
        if self.tiers is not None:
            return tuple((tier.id, tier.raise_.bound, tier.severity) for tier in self.tiers)
        if self.raise_ is None or self.severity is None:
            raise AssertionError("a rule has tiers, or raise and severity")
        return ((None, self.raise_.bound, self.severity),)

    def windows_in(self, length: int | str | None) -> int:
        """Return how many windows a length of the rule holds: 1 for none."""
        if length is None or isinstance(length, int):
            return length or 1
        return duration_ms(length) // _LENGTH_MS[self.window]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.observe is not None:
            tiers = ((f"raise of tier {tier.id}", tier.raise_) for tier in self.tiers or ())
            thresholds = (("raise", self.raise_), *tiers, ("clear", self.clear))
            bounds = tuple((name, each.bound) for name, each in thresholds if each is not None)
            watched = Watched(self.metric, self.indicator, self.window, self.period, self.select.kind, bounds)
            check_watched(self.observe, watched)
        elif (self.metric is None) == (self.indicator is None):
            raise fault("missing", "a rule watches either a metric or an indicator: write one of them")
        elif self.select.kind == "source":
            raise fault("bad_kind", "a source has no metrics: only silence is observed of it")
        if self.period != "episode" and WINDOW_KINDS.index(self.period) < WINDOW_KINDS.index(self.window):
            raise fault("bad_period", f"period {self.period} is shorter than the window {self.window} it is about")
        if self.tiers is None:
            for name, value in (("raise", self.raise_), ("severity", self.severity)):
                if value is None:
                    raise fault("missing", f"a rule without tiers needs {name}")
        elif self.raise_ is not None or self.severity is not None:
            raise fault("unknown_field", "each tier says its raise and severity: leave out those of the rule")
        self._can_clear()
        self._can_count()
        return self

    def _can_clear(self) -> None:
        if self.clear is None:
            return
        tier, raises, _ = self.steps[0]
        clears = self.clear.bound
        name = "raise" if tier is None else f"raise of tier {tier}"
        if (raises.direction in UPWARD) == (clears.direction in UPWARD):
            words = "lt or le" if raises.direction in UPWARD else "gt or ge"
            text = f"clear ({_text(clears)}) goes the same way as {name} ({_text(raises)}): write {words}"
            raise fault("overlap", text)
        if _meet(raises, clears):
            text = f"clear ({_text(clears)}) holds where {name} ({_text(raises)}) holds: an alarm would be raised and "
            raise fault("overlap", text + "cleared at once")
        below_zero = clears.value < 0 or (clears.value == 0 and clears.direction == "lt")
        if self.metric is not None and self.metric.startswith(_NEVER_BELOW_ZERO) and below_zero:
            text = f"clear ({_text(clears)}) can never hold: {self.metric} is never below 0"
            raise fault("never_clears", text + ", so an alarm would last for ever")

    def _can_count(self) -> None:
        parts = self.period == "episode" or self.period != self.window
        for name, length in (("for", self.for_), ("keep_for", self.keep_for)):
            self._check_length(name, length)
        if self.for_ is not None and self.of is not None:
            raise fault("both", "write either for or of: n of m windows, or all of some windows running")
        if not parts and (self.for_ is not None or self.of is not None):
            text = "for and of count windows within an episode or a longer period"
            raise fault("bad_period", f"{text}: an alarm about one {self.window} has only one of them")
        if self.keep_for is not None and self.period != "episode":
            raise fault("bad_period", "keep_for is about an episode: an accounting period ends by itself")

    def _check_length(self, name: str, length: int | str | None) -> None:
        if isinstance(length, str):
            each = _LENGTH_MS.get(self.window)
            if each is None:
                text = f"{name}: {length}: {self.window}s have no fixed length"
                raise fault("bad_length", f"{text}; write their number, such as 2")
            if duration_ms(length) % each:
                raise fault("bad_length", f"{name}: {length} is no whole number of {self.window}s")
        if length is not None and not 1 <= self.windows_in(length) <= LONGEST_COUNT:
            raise fault("bad_length", f"{name}: {length} is not from 1 to {LONGEST_COUNT} {self.window}s")


def _text(bound: Bound) -> str:
    return f"{bound.direction} {bound.value}"


class Rule(Envelope):
    """A threshold on a metric or on an indicator that raises alarms (规则)."""

    kind: Literal["rule"]
    spec: RuleSpec
