"""A small city for tests of territories: its registry, and its enterprises' documents as a worker writes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from schemas.messages import CalendarDocument, Own, encode
from schemas.windows import CHILD_KIND, Window, WindowKind, child_index, window, window_at
from streams.domain.calendar import empty_document, latest_known, set_child, totals
from streams.domain.own import Formulas, own_values
from streams.domain.registry import Snapshot
from tests.registry_writing import Raw, snapshot_of
from tests.registry_writing import documents as documents_of_text

# "mover" changes park on 1 July, "free" is in the county but in no park, "far" in the other county.
CITY = """
{apiVersion: qingyu/v1, kind: city, id: town, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: county, id: east, valid_from: 2018-01-01, spec: {city: town}}
---
{apiVersion: qingyu/v1, kind: county, id: west, valid_from: 2018-01-01, spec: {city: town}}
---
{apiVersion: qingyu/v1, kind: park, id: old, valid_from: 2018-01-01, spec: {county: east}}
---
{apiVersion: qingyu/v1, kind: park, id: new, valid_from: 2018-01-01, spec: {county: east}}
---
{apiVersion: qingyu/v1, kind: industry, id: c, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: industry, id: c31, valid_from: 2018-01-01, spec: {parent: c}}
---
{apiVersion: qingyu/v1, kind: carrier, id: electricity, valid_from: 2018-01-01, spec: {unit: kWh, medium: electricity}}
---
{apiVersion: qingyu/v1, kind: product, id: steel, valid_from: 2018-01-01, spec: {unit: t}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: steady, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: east}], park: [{from: 2018-01-01, id: old}],
        industry: [{from: 2018-01-01, id: c31}]}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: mover, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: east}], park: [{from: 2018-01-01, id: old}, {from: 2018-07-01, id: new}],
        industry: [{from: 2018-01-01, id: c31}]}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: free, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: east}]}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: far, valid_from: 2018-01-01,
 spec: {county: [{from: 2018-01-01, id: west}], industry: [{from: 2018-01-01, id: c}]}}
---
{apiVersion: qingyu/v1, kind: indicator, id: steel-intensity, valid_from: 2018-01-01,
 spec: {type: intensity, numerator: energy.cv, denominator: output.steel, unit: kgce/t}}
---
{apiVersion: qingyu/v1, kind: limit, id: county-limit, valid_from: 2018-01-01,
 spec: {indicator: steel-intensity, select: {kind: county}, source: test,
        tiers: [{id: access, max: "80"}, {id: limit, max: "90"}]}}
---
{apiVersion: qingyu/v1, kind: rule, id: county-peak, valid_from: 2018-01-01,
 spec: {metric: qty.electricity, window: hour, period: episode, select: {kind: county}, severity: warning,
        raise: {gt: "400"}, clear: {lt: "350"}}}
"""
ENTERPRISES = ("steady", "mover", "free", "far")
Outputs = Mapping[tuple[str, str], int]


def raws(text: str = CITY) -> list[Raw]:
    """Return the raw documents of the city."""
    return documents_of_text(text)


def snapshot(text: str = CITY, version: int = 1) -> Snapshot:
    """Return the city's registry."""
    return snapshot_of(yaml.safe_load_all(text), version)


def hour(kwh: int, measured_s: int = 3600) -> dict[str, int | None]:
    """Return the metrics of an hour in which so much electricity [1e-6 kWh] was used, measured for so long [s]."""
    return {
        "qty.electricity": kwh if measured_s else None,
        "energy.cv": kwh // 2 if measured_s else None,
        "energy.cv.feedstock": kwh // 3 if measured_s else None,
        "time.expected.electricity": 3_600_000_000,
        "time.measured.electricity": measured_s * 1_000_000,
        "time.estimated.electricity": 0,
    }


def enterprise_documents(
    enterprise: str,
    hours: Mapping[str, Mapping[str, int | None]],
    outputs: Outputs | None = None,
    status: str = "settled",
    step: int = 1,
    known: int = 1_514_764_800_000,
) -> list[CalendarDocument]:
    """Return an enterprise's days, months and years from its hours by name, and what it reports [1e-6] of windows."""
    entity = f"enterprise/{enterprise}"
    reported = dict(outputs or {})
    documents: dict[str, CalendarDocument] = {}

    def opened(each: Window) -> CalendarDocument:
        return documents.setdefault(each.name, empty_document(entity, each))

    for name, metrics in hours.items():
        each = window(name)
        day = opened(window_at(each.start_ms, "day"))
        set_child(day, child_index(each.start_ms, "day"), dict(metrics), status, known)
    for _, name in reported:
        opened(window_at(window(name).start_ms, "month" if window(name).kind in ("day", "month") else "year"))
        if window(name).kind == "day":
            opened(window(name))
    levels: tuple[tuple[WindowKind, WindowKind | None], ...] = (("day", "month"), ("month", "year"), ("year", None))
    for kind, above in levels:
        for name, document in sorted(documents.items()):
            each = window(name)
            if each.kind != kind:
                continue
            document.input, document.registry = [(0, step)], 1
            document.touched.sort()
            for own, _, values in own_values(document, reported, Formulas(), lambda _: None, lambda _: True):
                document.own[own.name] = Own(status, values)
            if above is not None:
                parent = opened(window_at(each.start_ms, above))
                assert parent.of == CHILD_KIND[above]
                metrics = {**totals(document), **document.own[name].values}
                child_status = status if any(document.status) else None
                set_child(parent, child_index(each.start_ms, above), metrics, child_status, latest_known(document))
    return [documents[name] for name in sorted(documents)]


def records(documents: Iterable[CalendarDocument]) -> list[tuple[CalendarDocument, bytes]]:
    """Return documents with their texts."""
    return [(document, encode(document)) for document in documents]


def plain(document: CalendarDocument) -> dict[str, Any]:
    """Return what a document says, without how it was made and without metrics of which it knows nothing."""
    return {
        "metrics": {name: values for name, values in document.metrics.items() if any(v is not None for v in values)},
        "status": document.status,
        "known": document.known,
        "own": {
            name: (own.status, {metric: value for metric, value in own.values.items() if value is not None})
            for name, own in document.own.items()
        },
        "release": document.release,
    }
