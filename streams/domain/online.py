"""The online rate (在线率) is for which part of the expected time data came: from meters, and from their sources.

Its parts are meter-seconds and source-seconds, which add up over hours and over enterprises; the share is taken at the
end, by an indicator of type share. All meters count, sub-meters too, whatever their carrier. A source was online for as
long as the meter that it sent most of, since one that is silent does not silence the others.
"""

from itertools import pairwise

from schemas.windows import HOUR_MS
from streams.domain.account import MICRO_PER_MS, Metrics
from streams.domain.meter_table import MeterTable
from streams.domain.metering import Quantities, nothing

ONLINE = "online."


def online_times(table: MeterTable, measured: Quantities, start_ms: int, end_ms: int) -> Metrics:
    """Return `online.expected.*` and `online.measured.*` of the meters and sources of a window [1e-6 s].

    A source is expected as long as one of its meters is; of a window, those count that read a meter when it began.
    """
    expected: list[int] = table.expected_ms(start_ms, end_ms)[: table.own].tolist()
    came: list[int] = measured.measured_ms[: table.own].tolist()
    sources: dict[str, tuple[int, int]] = {}
    for meter, mine, got in zip(table.view.meters, expected, came, strict=True):
        source = meter.source_at(max(start_ms, meter.from_ms))
        if source is not None and mine:
            before = sources.get(source, (0, 0))
            sources[source] = max(before[0], mine), max(before[1], got)
    if not sum(expected):
        return {}
    return {
        "online.expected.meters": sum(expected) * MICRO_PER_MS,
        "online.measured.meters": sum(came) * MICRO_PER_MS,
        "online.expected.sources": sum(each for each, _ in sources.values()) * MICRO_PER_MS,
        "online.measured.sources": sum(each for _, each in sources.values()) * MICRO_PER_MS,
    }


def unseen_times(table: MeterTable, start_ms: int, end_ms: int) -> Metrics:
    """Return `online.*` of a day or month of which nothing came [1e-6 s], as its hours would add up to it.

    Between two hours in which a meter begins, ends, pauses or changes its source, all hours are alike.
    """
    edges = {start_ms, end_ms}
    for meter in table.view.meters:
        edges.update((meter.from_ms, meter.to_ms), (since.from_ms for since in meter.sources))
        for outage in meter.outages:
            edges.update(outage)
    cuts = {edge - edge % HOUR_MS + more for edge in edges for more in (0, HOUR_MS if edge % HOUR_MS else 0)}
    inside = sorted(cut for cut in cuts if start_ms <= cut <= end_ms)
    found: Metrics = {}
    for from_ms, to_ms in pairwise(inside):
        for metric, value in online_times(table, nothing(table), from_ms, to_ms).items():
            found[metric] = (found.get(metric) or 0) + (value or 0)
    return found
