"""Checks are the validation rules that hold for the meters of one enterprise, resolved for a stretch of time.

A registered rule takes the place of the shipped one of its check at the meters that it selects; what it does not say of
figures is the shipped rule's.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from hashlib import sha256
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from schemas.documents import canonical
from schemas.documents.validation import FIGURES, OF_NAMED, CheckName, Effect, Validation, ValidationSpec
from schemas.reference.validation import shipped
from schemas.units import UnitError, conversion
from schemas.windows import HOUR_MS
from streams.domain.hour import Bools, Ints
from streams.domain.resolving import range_ms
from streams.domain.rule_resolving import select_view
from streams.domain.rule_views import SelectView
from streams.domain.views import EnterpriseView, MeterView

LOWEST, HIGHEST = -(2**63), 2**63 - 1
_FIGURES_OF_ALL = frozenset(name for names in FIGURES.values() for name in names)


@dataclass(frozen=True, slots=True)
class CheckView:
    """A validation rule with all its figures; `registered` is false for a shipped one."""

    id: str
    spec: ValidationSpec
    select: SelectView | None
    registered: bool
    from_ms: int
    to_ms: int

    @property
    def check(self) -> CheckName:
        """What is checked."""
        return self.spec.check

    @property
    def effect(self) -> Effect:
        """What becomes of a value that fails."""
        return self.spec.effect

    @property
    def max_pct(self) -> Fraction:
        """The figure of that name [%]."""
        return _fraction(self.spec.max_pct)

    @property
    def name(self) -> str:
        """What findings call the rule."""
        return f"validation.{self.id}"


def check_views(documents: Iterable[Validation]) -> tuple[CheckView, ...]:
    """Return the shipped rules and the registered ones, sorted by id, the shipped first."""
    views = [_view(one, one.spec, registered=False) for _, one in sorted(shipped().items())]
    for document in sorted(documents, key=lambda one: one.id):
        base = shipped()[document.spec.check].spec
        said = document.spec.model_fields_set
        more = {name: getattr(base, name) for name in base.model_fields_set - said if name in _FIGURES_OF_ALL}
        views.append(_view(document, document.spec.model_copy(update=more), registered=True))
    return tuple(views)


@cache
def shipped_digest() -> bytes:
    """Return a hash of the shipped rules: with others, what was found wrong is judged again."""
    return sha256(b"".join(canonical(one) for _, one in sorted(shipped().items()))).digest()


def _view(document: Validation, spec: ValidationSpec, *, registered: bool) -> CheckView:
    select = None if spec.select is None else select_view(spec.select)
    return CheckView(document.id, spec, select, registered, *range_ms(document))


class ReadingCheck(NamedTuple):
    """A rule that each reading is held against, by place: its lowest and highest value [counts]."""

    rule: CheckView
    low: Ints
    high: Ints


class MeterCheck(NamedTuple):
    """A rule that the days of the meters at some places are held against."""

    rule: CheckView
    places: Ints


class SumCheck(NamedTuple):
    """A rule that holds the sum of the meters at some places against the meter at another."""

    rule: CheckView
    parts: Ints
    whole: int


@dataclass(frozen=True, slots=True, eq=False)
class StretchOfChecks:
    """What the meters of an enterprise are held against while neither rules nor memberships change.

    No reading below `least` or above `most` [counts], of whichever meter, needs to be looked at; `ceilings`
    are of registers only, whose hours are held against them.
    """

    readings: tuple[ReadingCheck, ...]
    excluding: tuple[ReadingCheck, ...]
    least: int
    most: int
    schedule: tuple[MeterCheck, ...]
    duplicates: tuple[MeterCheck, ...]
    ceilings: tuple[MeterCheck, ...]
    days: tuple[MeterCheck, ...]
    sums: tuple[SumCheck, ...]
    months: tuple[CheckView, ...]
    looks_back_days: int

    @property
    def judges_days(self) -> bool:
        """Whether anything is said of days as a whole."""
        return bool(self.days or self.sums or self.ceilings)


Selects = Callable[[SelectView | None, str, int], bool]


class Checks:
    """The validation rules of one enterprise over time; `selects` tells whether a selection means an entity.

    `bought` are the meters by which others sell to it, with the checks of their own enterprises: what these exclude is
    excluded here as well, and nothing else is said of them.
    """

    def __init__(
        self, rules: tuple[CheckView, ...], view: EnterpriseView, selects: Selects,
        bought: "tuple[tuple[MeterView, Checks], ...]" = (),
    ) -> None:  # fmt: skip
        self._bought = bought
        ids = {f"{view.id}.{meter.id}" for meter in view.meters}
        self._rules = tuple(rule for rule in rules if _may_mean(rule, view.id, ids))
        self._view = view
        self._selects = selects
        edges = {edge for rule in self._rules for edge in (rule.from_ms, rule.to_ms)}
        if any(rule.select is not None and rule.select.within is not None for rule in self._rules):
            edges |= view.edges_ms
        edges |= {
            since.from_ms
            for meter in view.meters
            if meter.type == "interval" and meter.capacity_micro_per_h is not None
            for since in meter.multipliers
        }
        edges.update(edge for _, theirs in bought for edge in theirs._edges_ms)
        self._edges_ms = sorted(edges)
        self._stretches: dict[int, StretchOfChecks] = {}

    def at(self, at_ms: int) -> StretchOfChecks:
        """Return the checks that hold at an instant [epoch ms]: the beginning of the hour or day that is looked at."""
        number = bisect_right(self._edges_ms, at_ms)
        found = self._stretches.get(number)
        if found is None:
            found = self._stretches[number] = self._with_bought(self._resolved(at_ms), at_ms)
        return found

    def _with_bought(self, stretch: StretchOfChecks, at_ms: int) -> StretchOfChecks:
        """Return the checks for places that go on with those of the meters that are bought by."""
        if not self._bought:
            return stretch
        count = len(self._view.meters) + len(self._bought)
        readings = tuple(_widened(each, count) for each in stretch.readings)
        excluding = [each for each in readings if each.rule.effect == "exclude"]
        for meter, theirs in self._bought:
            place = next(each.index for each in theirs._view.meters if each.entity == meter.entity)
            for rule, low, high in theirs.at(at_ms).excluding:
                one = _widened(ReadingCheck(rule, low[:0], high[:0]), count)
                one.low[meter.index], one.high[meter.index] = low[place], high[place]
                excluding.append(one)
        return replace(stretch, readings=readings, excluding=tuple(excluding))

    @property
    def looks_back_days(self) -> int:
        """How many days back any rule looks at any time."""
        return max((rule.spec.days or 0 for rule in self._rules if rule.spec.active), default=0)

    def _resolved(self, at_ms: int) -> StretchOfChecks:
        meters = self._view.meters
        taken: dict[CheckName, Bools] = defaultdict(lambda: np.zeros(len(meters), bool))
        holding: list[tuple[CheckView, Bools]] = []
        # The registered come first here, since they decide where a shipped one holds.
        for rule in sorted(self._rules, key=lambda each: not each.registered):
            if rule.from_ms <= at_ms < rule.to_ms:
                mine = self._selected(rule, at_ms)
                if rule.registered:
                    taken[rule.check] = taken[rule.check] | mine
                else:
                    mine = mine & ~taken[rule.check]
                holding.append((rule, mine))
        active = [(rule, mine) for rule, mine in holding if rule.spec.active]
        return _stretch(self._view, active, at_ms)

    def _selected(self, rule: CheckView, at_ms: int) -> Bools:
        meters, select = self._view.meters, rule.select
        if select is None:
            return np.ones(len(meters), bool)
        if select.kind == "enterprise":
            return np.full(len(meters), self._selects(select, self._view.entity, at_ms))
        return np.array([self._selects(select, meter.entity, at_ms) for meter in meters], bool)


def _may_mean(rule: CheckView, enterprise: str, meters: set[str]) -> bool:
    if rule.check in OF_NAMED:
        return rule.spec.against in meters
    if rule.select is None or rule.select.ids is None:
        return True
    return enterprise in rule.select.ids if rule.select.kind == "enterprise" else not meters.isdisjoint(rule.select.ids)


def _stretch(view: EnterpriseView, active: list[tuple[CheckView, Bools]], at_ms: int) -> StretchOfChecks:
    readings: list[ReadingCheck] = []
    by_check: dict[str, list[MeterCheck]] = defaultdict(list)
    sums: list[SumCheck] = []
    months: list[CheckView] = []
    place = {f"{view.id}.{meter.id}": meter.index for meter in view.meters}
    rated = {
        meter.index for meter in view.meters if meter.type == "register" and meter.capacity_micro_per_h is not None
    }
    for rule, mine in active:
        if rule.check == "day-month":
            # It is about the enterprise, so it holds for all of its meters or for none.
            months += [rule] if mine.all() else []
        elif rule.check in OF_NAMED:
            parts = [place[each] for each in rule.spec.meters or () if each in place]
            if parts and rule.spec.against is not None:
                sums.append(SumCheck(rule, np.array(parts, np.int64), place[rule.spec.against]))
        elif rule.check in ("range", "negative", "ceiling"):
            found = _reading_check(rule, view.meters, mine, at_ms)
            readings += [found] if found is not None else []
            if rule.check == "ceiling":
                _add(by_check["ceiling"], rule, [each for each in np.flatnonzero(mine).tolist() if each in rated])
        else:
            _add(by_check[rule.check], rule, np.flatnonzero(mine).tolist())
    days = [each for name in ("spike", "day-level", "stuck", "zeros", "sub-meters", "completeness")
            for each in by_check[name]]  # fmt: skip
    return StretchOfChecks(
        tuple(readings),
        tuple(each for each in readings if each.rule.effect == "exclude"),
        max((int(each.low.max()) for each in readings), default=LOWEST),
        min((int(each.high.min()) for each in readings), default=HIGHEST),
        tuple(by_check["schedule"]),
        tuple(by_check["duplicates"]),
        tuple(by_check["ceiling"]),
        tuple(days),
        tuple(sums),
        tuple(months),
        max((each.rule.spec.days or 0 for each in by_check["day-level"]), default=0),
    )


def _add(checks: list[MeterCheck], rule: CheckView, places: list[int]) -> None:
    if places:
        checks.append(MeterCheck(rule, np.array(places, np.int64)))


def _reading_check(rule: CheckView, meters: tuple[MeterView, ...], mine: Bools, at_ms: int) -> ReadingCheck | None:
    low, high = np.full(len(meters), LOWEST, np.int64), np.full(len(meters), HIGHEST, np.int64)
    for meter in meters:
        if mine[meter.index]:
            lowest, highest = _bounds(rule, meter, at_ms)
            low[meter.index] = LOWEST if lowest is None else max(lowest, LOWEST)
            high[meter.index] = HIGHEST if highest is None else min(highest, HIGHEST)
    return ReadingCheck(rule, low, high) if (low > LOWEST).any() or (high < HIGHEST).any() else None


def _widened(check: ReadingCheck, count: int) -> ReadingCheck:
    more = count - len(check.low)
    low, high = np.full(more, LOWEST, np.int64), np.full(more, HIGHEST, np.int64)
    return ReadingCheck(check.rule, np.concatenate((check.low, low)), np.concatenate((check.high, high)))


def _bounds(rule: CheckView, meter: MeterView, at_ms: int) -> tuple[int | None, int | None]:
    """Return the lowest and highest value [counts] that a rule lets a meter show, None where it says nothing."""
    spec = rule.spec
    if rule.check == "negative":
        return (0, None) if meter.type == "interval" else (None, None)
    if rule.check == "ceiling":
        highest = meter.capacity_micro_per_h
        if meter.type != "interval" or highest is None:
            return None, None
        most = highest * _fraction(spec.factor) * meter.step_ms / HOUR_MS / meter.micro_per_count_at(at_ms)
        return None, floor(most)
    low, high = (0, None if meter.modulus is None else meter.modulus - 1) if meter.type == "register" else (None, None)
    if spec.unit is not None:
        try:
            counts = conversion(spec.unit, meter.unit) * 10**meter.scale
        except UnitError:
            return low, high
        low = low if spec.min is None else ceil(Fraction(spec.min) * counts)
        high = high if spec.max is None else floor(Fraction(spec.max) * counts)
    return low, high


def _fraction(value: Decimal | None) -> Fraction:
    assert value is not None  # shipped rules say every figure of their check
    return Fraction(value)
