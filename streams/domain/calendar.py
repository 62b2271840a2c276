"""A calendar is the set of documents that hold an entity's windows: a day its hours, a month its days, and so on.

Children are absolute values, never increments, so writing one twice changes nothing; sums are taken by the reader.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from schemas.messages import VERSION, CalendarDocument, Own
from schemas.windows import CHILD_KIND, Window, WindowKind, children, children_of, window
from streams.domain.account import Metrics

Graces = Mapping[WindowKind, int]

_NO_SUMS = (
    "ind.", "output.", "reported.", "variant.", "avg.", "rate.",
    *(f"energy.{value}.{what}" for value in ("cv", "eq") for what in ("line.", "product.", "unallocated")),
)  # fmt: skip
PROVISIONAL, SETTLED, REVISED = "provisional", "settled", "revised"


def empty_document(entity: str, period: Window) -> CalendarDocument:
    """Return the document of a day, month or year of which nothing is known."""
    count = children(period)
    return CalendarDocument(
        VERSION, entity, period.name, CHILD_KIND[period.kind], {}, [None] * count, [], 0, None, [],
        known=[None] * count,
    )  # fmt: skip


def copy_document(document: CalendarDocument) -> CalendarDocument:
    """Return a copy whose children can be set without touching the original; nothing in it counts as touched yet."""
    return CalendarDocument(
        document.v,
        document.entity,
        document.period,
        document.of,
        {name: values.copy() for name, values in document.metrics.items()},
        document.status.copy(),
        [],
        document.registry,
        document.release,
        document.input,
        {name: Own(own.status, own.values) for name, own in document.own.items()},
        document.known.copy(),
    )


def set_child(document: CalendarDocument, index: int, metrics: Metrics, status: str | None, known: int | None) -> bool:
    """Set what child `index` is; return whether that changed anything."""
    changed = document.status[index] != status or document.known[index] != known
    document.status[index], document.known[index] = status, known
    for name, values in document.metrics.items():
        value = metrics.get(name)
        if values[index] != value:
            values[index] = value
            changed = True
    for name in metrics.keys() - document.metrics.keys():
        values: list[int | None] = [None] * len(document.status)
        values[index] = metrics[name]
        document.metrics[name] = values
        changed = True
    if changed and index not in document.touched:
        document.touched.append(index)
    return changed


def status_of(period: Window, known: int | None, now_ms: int, graces: Graces) -> str:
    """Return a window's status: provisional until its end plus grace; revised when a reading came in after that."""
    settles_ms = period.end_ms + graces[period.kind]
    if now_ms < settles_ms:
        return PROVISIONAL
    return REVISED if known is not None and known > settles_ms else SETTLED


def settle_children(document: CalendarDocument, now_ms: int, graces: Graces) -> bool:
    """Let every child that has a status and whose grace has passed settle; return whether one did."""
    changed = False
    if PROVISIONAL not in document.status:
        return False
    for index, child in enumerate(children_of(document.period)):
        if document.status[index] == PROVISIONAL:
            status = status_of(child, document.known[index], now_ms, graces)
            if status != PROVISIONAL:
                document.status[index] = status
                changed = True
                if index not in document.touched:
                    document.touched.append(index)
    return changed


@lru_cache(maxsize=16_384)
def is_reported(metric: str) -> bool:
    """Tell whether a metric is what somebody reported."""
    return metric.startswith(("output.", "reported."))


@lru_cache(maxsize=16_384)
def additive(metric: str) -> bool:
    """Tell whether a window's value of a metric is the sum of what its children have, whatever is missing.

    Not so for indicators, averages, marks of variants, what is under control (totals less their parts), for what is
    reported, where a part of the children says nothing about the whole, and for what is divided between lines by it.
    """
    return not metric.startswith(_NO_SUMS) and not metric.endswith(".controlled")


def total(values: Sequence[int | None]) -> int | None:
    """Return the sum of the values that are known, None when none is."""
    some = list(filter(None, values))
    return sum(some) if some else 0 if 0 in values else None


def totals(document: CalendarDocument, of: slice | None = None) -> Metrics:
    """Return the sums over all children, or over a slice of them (a quarter's months), of the additive metrics."""
    of = of or slice(None)
    return {name: total(values[of]) for name, values in document.metrics.items() if additive(name)}


def whole(values: Sequence[int | None]) -> int | None:
    """Return the sum of the values when every one is known, else None."""
    return None if any(value is None for value in values) else sum(value for value in values if value is not None)


def latest_known(document: CalendarDocument, of: slice | None = None) -> int | None:
    """Return the latest arrival [epoch ms] among the children's readings, None for none."""
    return max(filter(None, document.known[of or slice(None)]), default=None)


def quarters_of(year: str) -> tuple[tuple[Window, slice], ...]:
    """Return a year's quarters, each with the slice of its months in the year's document."""
    return tuple((window(f"{year}-Q{number + 1}"), slice(3 * number, 3 * number + 3)) for number in range(4))


def windows_in(document: CalendarDocument) -> tuple[tuple[Window, slice], ...]:
    """Return the windows a document speaks for as a whole, with their children: its own, and of a year the quarters."""
    return _windows_in(document.period)


@lru_cache(maxsize=4096)
def _windows_in(name: str) -> tuple[tuple[Window, slice], ...]:
    own = window(name)
    mine = (own, slice(0, children(own)))
    return (mine, *quarters_of(name)) if own.kind == "year" else (mine,)
