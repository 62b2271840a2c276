"""Grading takes the grades of a mandatory standard (单位产品能耗限额) into a limit that names its row of the reference.

The numbers are written into the document, as those of a release are, and the document must be valid only on days on
which that edition of the standard is in force: each edition is a limit of its own.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from schemas.decimals import CONTEXT
from schemas.documents import Document, DocumentKey, Indicator, Limit, Tier
from schemas.reference import load
from schemas.reference.limits import LimitItem, LimitStandard
from schemas.units import UnitError, conversion
from streams.domain.consistency import Problem

_TABLE = "energy_limits"


def graded(limit: Limit, documents: Mapping[DocumentKey, Document]) -> tuple[Limit, list[Problem]]:
    """Return the limit with the tiers and source of the reference row it names, and what stands against taking it over.

    `energy_limits/GB 21256-2013/converter` is a row: table, standard with its year, product. The tiers are called
    level1 to level3, in the unit of the limit's indicator.
    """
    reference = limit.spec.reference
    if reference is None:
        return limit, []

    def against(path: str, code: str, message: str) -> tuple[Limit, list[Problem]]:
        return limit, [Problem(limit.key, DocumentKey("indicator", limit.spec.indicator), path, code, message)]

    found = _row(reference)
    if found is None:
        message = f"{reference!r} is no row of {_TABLE}: it reads {_TABLE}/GB 21256-2013/converter"
        return against("spec.reference", "unknown_reference", message)
    standard, item = found
    outside = _outside(limit, standard)
    if outside is not None:
        return against(outside[0], "outside_edition", outside[1])
    indicator = documents.get(DocumentKey("indicator", limit.spec.indicator))
    if not isinstance(indicator, Indicator):
        return limit, []  # that it is not registered is said at the indicator
    try:
        tiers = _tiers(item, conversion(item.unit, indicator.spec.unit))
    except UnitError as error:
        return against("spec.reference", "unit_mismatch", f"{reference} does not fit {indicator.key}: {error}")
    stated = limit.spec.tiers
    if stated is not None and [(tier.id, tier.max) for tier in stated] != [(tier.id, tier.max) for tier in tiers]:
        message = f"the tiers differ from those of {reference}: leave tiers or reference out"
        return against("spec.tiers", "differs_from_reference", message)
    source = limit.spec.source or f"{reference} ({', '.join(standard.sources)})"
    spec = limit.spec.model_copy(update={"tiers": stated or tiers, "source": source})
    return limit.model_copy(update={"spec": spec}), []


def _row(reference: str) -> tuple[LimitStandard, LimitItem] | None:
    table, _, rest = reference.partition("/")
    number, _, id_ = rest.partition("/")
    for standard in load().energy_limits.standards if table == _TABLE else ():
        for item in standard.items:
            if (standard.number, item.id) == (number, id_):
                return standard, item
    return None


def _outside(limit: Limit, standard: LimitStandard) -> tuple[str, str] | None:
    """Return path and message where a limit is valid on days on which its edition is not in force."""
    begins = dt.date.fromisoformat(standard.effective)
    if limit.valid_from < begins:
        return "valid_from", f"{standard.number} is in force from {begins}: begin the limit then"
    for later in load().energy_limits.standards:
        if standard.number in (later.replaces or "").split(", "):
            ends = dt.date.fromisoformat(later.effective)
            if limit.valid_to is None or limit.valid_to > ends:
                message = f"{standard.number} is replaced by {later.number} on {ends}: end the limit there (valid_to)"
                return "valid_to", message
    return None


def _tiers(item: LimitItem, factor: Fraction) -> tuple[Tier, ...]:
    """Return the grades from the mildest up; one that is not below a graver one says nothing that this does not."""
    levels = [("level1", item.level1), ("level2", item.level2), ("level3", item.level3)]
    known = [(id_, _exact(value, factor)) for id_, value in levels if value is not None]
    return tuple(
        Tier(id=id_, max=value)
        for place, (id_, value) in enumerate(known)
        if all(value < graver for _, graver in known[place + 1 :])
    )


def _exact(value: Decimal, factor: Fraction) -> Decimal:
    wanted = Fraction(value) * factor
    exact = CONTEXT.divide(Decimal(wanted.numerator), Decimal(wanted.denominator))
    if Fraction(exact) != wanted:
        raise UnitError(f"{value} is no finite decimal in the indicator's unit")
    return exact
