"""Looking a value up means to take a metric of a window from an entity's calendar documents, as every reader does."""

from collections.abc import Callable

from schemas.messages import CalendarDocument
from schemas.windows import Window, WindowKind, child_index, window, window_at
from streams.domain.calendar import additive, total, windows_in
from streams.domain.comparison import NOTHING, Said

Documents = Callable[[str], CalendarDocument | None]

# Which window's document speaks for a window.
_HOME: dict[WindowKind, WindowKind] = {
    "hour": "day", "day": "day", "month": "month", "quarter": "year", "year": "year",
}  # fmt: skip


def home_of(each: Window) -> str:
    """Return the period of the document that speaks for a window."""
    return window_at(each.start_ms, _HOME[each.kind]).name


def look_up(documents: Documents, metric: str, name: str) -> Said:
    """Return what is said of a metric in a window; `documents` gives the entity's document of a period, if any."""
    each = window(name)
    document = documents(home_of(each))
    if document is None:
        return NOTHING
    values = document.metrics.get(metric)
    if each.kind == "hour":
        index = child_index(each.start_ms, "day")
        return Said(None if values is None else values[index], document.status[index])
    own = document.own.get(name)
    status = own.status if own is not None else None
    if own is not None and metric in own.values:
        return Said(own.values[metric], status)
    if values is None or not additive(metric):
        return Said(None, status)
    return Said(total(values[part_of(document, each)]), status)


def part_of(document: CalendarDocument, each: Window) -> slice:
    """Return which children of a document a window that it speaks for consists of."""
    return next(part for own, part in windows_in(document) if own.name == each.name)
