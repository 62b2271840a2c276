"""A meter's hour in an explanation: what it adds to a number, with its spans and the readings at their edges."""

from collections.abc import Sequence

from schemas.decimals import decimal_text
from schemas.documents.metric import carrier_in
from schemas.windows import HOUR_MS, Window
from services.explain import wording
from services.explain.facts import EnterpriseFacts, Line
from services.explain.tree import Node, text
from streams.domain.selling import named
from streams.domain.spans import ESTIMATED, MEASURED, MISSING, MeterHour, Span
from streams.domain.views import MeterView

MICRO_PER_MS = 1000


ESTIMATED_PART = ".estimated"


TIMES = ("time.expected.", "time.measured.", "time.estimated.")


def is_average(metric: str) -> bool:
    """Tell whether a metric is an average of a gauge."""
    return metric.startswith(("avg.", "rate."))


def parts_of_average(meter: MeterView) -> list[str]:
    """Return the metrics that the average of a gauge is made from: integral, its estimated part, measured time."""
    whole = f"{'qty' if meter.is_rate else 'integral'}.{meter.carrier}"
    return [whole, whole + ESTIMATED_PART, f"time.measured.{meter.carrier}"]


def wholly_covered(facts: EnterpriseFacts, lines: Sequence[Line], hour: Window) -> bool:
    """Tell whether all of an hour is measured or estimated of a meter and of its sub-meters that are in service."""
    hours = [facts.hour(hour.start_ms).meters[line.place] for line in lines]
    return hours[0].expected_ms > 0 and all(each.measured_ms + each.estimated_ms >= each.expected_ms for each in hours)


def carrier_of(metric: str) -> str:
    """Return the carrier of a `qty.*`, `integral.*` or `time.*`."""
    for lead in TIMES:
        metric = metric.removeprefix(lead)
    return carrier_in(metric) or metric


def whole_of(metric: str) -> str:
    """Return the amount that a part of it, or a time, is about."""
    return f"{'integral' if metric.startswith('integral.') else 'qty'}.{carrier_of(metric)}"


def contribution(mine: MeterHour, metric: str) -> int:
    """Return what a meter's hour adds to a `qty.*` or `time.*`, without its sign [1e-6]."""
    if metric.startswith("time."):
        of = {"expected": mine.expected_ms, "measured": mine.measured_ms, "estimated": mine.estimated_ms}
        return of[metric.split(".")[1]] * MICRO_PER_MS
    if metric.endswith(ESTIMATED_PART):
        return mine.estimated
    if metric.endswith(".integrated"):
        return mine.amount if mine.is_rate else 0
    return mine.amount


def meter_node(
    mine: MeterHour, meter: MeterView, units: tuple[str, str], metric: str, sign: int, start_ms: int
) -> Node:
    """Return what a meter gives to an hour, with its spans: those wholly inside and measured in one line.

    `units` are the metric's and the carrier's.
    """
    unit = units[1]
    signed = contribution(mine, metric) * (1 if metric.startswith("time.") else sign)
    known = mine.measured_ms + mine.estimated_ms
    found = Node(
        f"{'+' if sign > 0 else '-'} meter 计量点 {named(meter)} ({wording.role(meter)}, {meter.type})",
        decimal_text(signed) if known or metric.startswith("time.") else None,
        units[0],
    )
    missing = max(mine.expected_ms - known, 0)
    times = ((MEASURED, mine.measured_ms), (ESTIMATED, mine.estimated_ms), (MISSING, missing))
    found.notes.append(
        ", ".join(f"{wording.KINDS[kind]} {ms / 1000:g} s" for kind, ms in times if ms) or "not in service"
    )
    plain = [each for each in mine.spans if each.kind == MEASURED and not each.is_cut]
    if len(plain) > 2:
        found.children.append(_joined(plain, meter, unit))
    for each in mine.spans:
        if len(plain) <= 2 or each not in plain:
            found.children.append(_span(each, meter, unit))
    if mine.rest:
        found.children.append(
            Node(
                "rounding of the hour's sum 整点修约"
                if meter.type == "gauge"
                else "what the rules of registers count besides 表码规则另计",
                decimal_text(mine.rest),
                unit,
            )
        )
    if not mine.spans:
        found.children.append(text("no reading reaches into this hour 无读数"))
    for each in mine.readings:
        if not each.counts and start_ms <= each.t_ms <= start_ms + HOUR_MS:
            what = wording.said(each, meter.scale) + (f" {each.quality}" if each.quality else "")
            found.children.append(text(f"set aside 不计: {wording.instant(each.t_ms)} {what}, revision {each.rev}"))
    return found


def _joined(spans: list[Span], meter: MeterView, unit: str) -> Node:
    first, last = spans[0], spans[-1]
    found = Node(
        f"{len(spans)} spans measured 实测 {wording.instant(first.from_ms)} .. {wording.instant(last.to_ms)}",
        decimal_text(sum(each.part or 0 for each in spans)),
        unit,
    )
    if first.first is not None and last.last is not None:
        ends = f"{wording.said(first.first, meter.scale)} -> {wording.said(last.last, meter.scale)} {meter.unit}"
        found.notes.append(f"readings at the edges 边界读数: {ends}")
    return found


def _span(each: Span, meter: MeterView, unit: str) -> Node:
    worth = f"{decimal_text(each.micro_per_count * 10**meter.scale)} {unit}/{meter.unit}"
    found = Node(
        f"{wording.instant(each.from_ms)} .. {wording.instant(each.to_ms)} {wording.KINDS[each.kind]}",
        wording.number(each.part),
        unit,
    )
    if each.reason:
        found.notes.append(f"why 原因: {wording.reason(each.reason)}")
    if each.days:
        found.notes.append(f"like days 相似日: {', '.join(map(wording.day, each.days))}")
    if each.last is None:
        if each.amount is not None:
            found.notes.append(f"put in 插补: {decimal_text(each.amount)} {unit}")
        return found
    last = wording.said(each.last, meter.scale)
    values = last if each.first is None else f"{last} - {wording.said(each.first, meter.scale)}"
    if each.amount is None:
        found.notes.append(f"readings 读数: {values} {meter.unit}; the span gives nothing 不计")
        return found
    if meter.type == "gauge":
        by = f"× {(each.to_ms - each.from_ms) / 1000:g} s" + (" / 3600" if meter.is_rate else "")
        worth = decimal_text(each.micro_per_count * 10**meter.scale)
        found.notes.append(f"{values} {meter.unit} × {worth} {by} = {decimal_text(each.amount)} {unit}")
    else:
        found.notes.append(f"({values}) {meter.unit} × {worth} = {decimal_text(each.amount)} {unit}")
    if each.is_cut:
        whole = (each.to_ms - each.from_ms) / 1000
        by = "W(t)/W(T), W: weight of the like days" if each.days else "t/T"
        found.notes.append(
            f"in this hour 本小时内: {wording.instant(each.low_ms)} .. {wording.instant(each.high_ms)}, "
            f"{(each.high_ms - each.low_ms) / 1000:g} s of {whole:g} s, shared by F(t) = floor(E·{by})"
            if meter.type != "gauge"
            else f"in this hour 本小时内: {wording.instant(each.low_ms)} .. {wording.instant(each.high_ms)}"
        )
    if each.last.rev or (each.first is not None and each.first.rev):
        found.notes.append("a corrected reading 更正的读数")
    return found
