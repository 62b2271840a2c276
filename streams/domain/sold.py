"""Sold readings are those of a meter with a counterparty, passed on to it by the seller's step in the same transaction.

They are facts like any others: the counterparty puts them into hours of its own, where order, repetition and lateness
change nothing. A counterparty that is registered later gets what was kept before.
"""

from collections.abc import Iterable, Iterator, Sequence

from schemas.messages import VERSION, Batch, Correction, Sold, encode
from schemas.windows import children_of
from streams.domain.hour import VOID, Hour, Ints, Rows, join
from streams.domain.inputs import Readable
from streams.domain.plan import Plan
from streams.domain.state import SALE, state_key
from streams.domain.work import Output, Work

_KNOWS = b"1"


def passed_on(plan: Plan, batches: Iterable[Readable]) -> Iterator[Output]:
    """Yield the records that pass an enterprise's batches on to whom it sells to."""
    for batch in batches:
        for place, meter in enumerate(batch.meters):
            if meter not in plan.sold:
                continue
            rows = batch.rows.take(batch.rows.meter == place)
            if len(rows):
                origin = batch.origin
                said = origin.source, origin.batch, origin.correction
                yield from _records(plan, plan.sold[meter], meter, batch.scales[place], rows, *said)


def passed_on_again(plan: Plan, work: Work, days: Iterable[str]) -> Iterator[Output]:
    """Yield the records that pass what is kept of some days on to counterparties that do not know it yet."""
    waiting: dict[str, list[str]] = {}
    for meter, buyers in plan.sold.items():
        new = [each for each in buyers if work.get(_key(plan.enterprise, meter, each)) is None]
        if new:
            waiting[meter] = new
    for day in days if waiting else ():
        hours = [hour for each in children_of(day) if (hour := work.hour(each.start_ms)) is not None]
        for meter, buyers in waiting.items():
            scale, rows = _kept(hours, meter)
            if len(rows):
                named = f"registry-{plan.snapshot.version}"
                yield from _records(plan, buyers, meter, scale, rows, f"enterprise/{plan.enterprise}", named, None)


def note_counterparties(plan: Plan, work: Work, *, all_know: bool) -> None:
    """Note of an enterprise whose registry has changed who does not get its readings any more.

    `all_know`: whoever is sold to now has all that is kept.
    """
    sold = {_key(plan.enterprise, meter, each) for meter, buyers in plan.sold.items() for each in buyers}
    knowing = work.keys(state_key(plan.enterprise, SALE, ""))
    for key in knowing - sold:
        work.put(key, None)
    for key in sorted(sold - knowing) if all_know else ():
        work.put(key, _KNOWS)


def _key(enterprise: str, meter: str, buyer: str) -> bytes:
    return state_key(enterprise, SALE, meter, buyer)


def _kept(hours: Sequence[Hour], meter: str) -> tuple[int, Rows]:
    """Return the readings and conflicts of a meter in some hours, at the finest of their scales."""
    mine = [(hour, hour.meters.index(meter)) for hour in hours if meter in hour.meters]
    scale = max((hour.scales[at] for hour, at in mine), default=0)
    parts: list[Rows] = []
    for hour, at in mine:
        for rows in (hour.rows, hour.conflicts):
            rows = rows.take(rows.meter == at)
            parts.append(rows.replaced(v=rows.v * 10 ** (scale - hour.scales[at])))
    return scale, join(parts)


def _records(
    plan: Plan, buyers: Iterable[str], meter: str, scale: int, rows: Rows, source: str, batch: str,
    correction: Correction | None,
) -> Iterator[Output]:  # fmt: skip
    voids = rows.q == VOID
    values: list[int | None] = rows.v.tolist()
    for at in voids.nonzero()[0].tolist():
        values[at] = None
    quality = rows.q.copy()
    quality[voids] = 0
    stamps: list[int] = rows.received.tolist()
    latest = max(stamps)
    sent = Batch(
        batch, source, latest, [meter], [scale], [0] * len(rows), rows.t.tolist(), values,
        _unless_zero(rows.rev), _unless_zero(quality), correction,
    )  # fmt: skip
    received = stamps if min(stamps) != latest else None
    for buyer in buyers:
        entity = f"enterprise/{buyer}"
        sold = Sold(VERSION, plan.snapshot.version, entity, plan.enterprise, sent, received)
        yield Output("reported", entity, entity.encode(), encode(sold))


def _unless_zero(column: Ints) -> list[int] | None:
    return column.tolist() if column.any() else None
