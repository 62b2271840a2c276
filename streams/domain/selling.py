"""A sale between members that one meter measures is an output of the seller, and an input of the counterparty it names.

The counterparty is computed from the same readings by the same rules as the seller, so that both have the same quantity
and coverage, and a sum over both has neither, to the last digit. What the readings' instrument is (its multiplier,
exchanges, outages, the rules that exclude readings) is the seller's registry; what the quantity is worth is the
counterparty's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from schemas.windows import LATEST_MS
from streams.domain.views import EnterpriseView, MeterView, PauseView

# Sorts behind every id of a meter of one's own, and stands in none.
FOREIGN = "~"


def foreign_id(meter: str) -> str:
    """Return under which id a counterparty keeps the meter `ENTERPRISE.METER` of another enterprise."""
    return FOREIGN + meter


def named(meter: MeterView) -> str:
    """Return what a meter is called in its enterprise, or in full where it is another's."""
    return meter.id.removeprefix(FOREIGN)


def counterparties(meter: MeterView) -> tuple[str, ...]:
    """Return the ids of the enterprises that are ever sold to by a meter, sorted."""
    return tuple(sorted({each.id for each in meter.counterparty if each.id is not None}))


def bought_in(meter: MeterView, enterprise: str) -> tuple[PauseView, ...]:
    """Return in which times a meter measures what is sold to an enterprise."""
    ends = [each.from_ms for each in meter.counterparty[1:]] + [LATEST_MS]
    return tuple(
        PauseView(each.from_ms, end_ms)
        for each, end_ms in zip(meter.counterparty, ends, strict=False)
        if each.id == enterprise
    )


def with_bought(enterprises: Mapping[str, EnterpriseView]) -> dict[str, EnterpriseView]:
    """Return the enterprises, those that are sold to by meters of others with these as inputs behind their own."""
    selling = [meter for one in enterprises.values() for meter in one.meters if meter.counterparty]
    by_buyer: defaultdict[str, list[MeterView]] = defaultdict(list)
    for meter in sorted(selling, key=lambda each: each.entity):
        for enterprise in counterparties(meter):
            by_buyer[enterprise].append(meter)
    found = dict(enterprises)
    for enterprise, meters in by_buyer.items():
        view = enterprises[enterprise]
        found[enterprise] = replace(view, bought=_as_inputs(meters, len(view.meters)))
    return found


def _as_inputs(meters: Iterable[MeterView], first: int) -> tuple[MeterView, ...]:
    # Neither a sub-meter nor read by a source of the counterparty: it is only ever an input there.
    found = [
        replace(each, id=foreign_id(each.entity.removeprefix("meter/")), role="input", parent=None, sources=())
        for each in meters
    ]
    return tuple(replace(each, index=first + place) for place, each in enumerate(sorted(found, key=lambda one: one.id)))
