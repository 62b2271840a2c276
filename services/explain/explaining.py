"""An explanation of an enterprise's or a meter's number: from a window down to hours, meters, spans and readings."""

from collections.abc import Sequence
from fractions import Fraction

from schemas.decimals import MICRO, decimal_text
from schemas.documents.metric import BY_LINE, LINE_TIMES, carrier_in, is_divided
from schemas.windows import HOUR_MS, Window, children_of, window
from services.explain import wording
from services.explain.dividing import dividing
from services.explain.facts import Documents, EnterpriseFacts, HourFacts, Line
from services.explain.fired import fired
from services.explain.tree import Node, text
from streams.domain.across import GROWTH, ORDER, year_before
from streams.domain.comparison import Said
from streams.domain.flaw import Flaw
from streams.domain.indicator import indicator_value
from streams.domain.looking import home_of
from streams.domain.looking import part_of as children_in
from streams.domain.online import ONLINE
from streams.domain.own import AVERAGE
from streams.domain.products import EQ, Product, part_of, products, source_of
from streams.domain.registry import IndicatorView, MeterView, Snapshot
from streams.domain.selling import named
from streams.domain.spans import ESTIMATED, MEASURED, MISSING, MeterHour, Span
from streams.domain.tagging import CONTROLLED
from streams.domain.valuation import variants_of

# So many children that need a word are shown one by one.
SHOWN = 24
MICRO_PER_MS = 1000
_ESTIMATED = ".estimated"
UNEXPLAINED = "unexplained."
_TIMES = ("time.expected.", "time.measured.", "time.estimated.")

# A child window, its value, and what is to be said of it.
Telling = tuple[Window, int | None, str]


class Explainer:
    """Explains numbers of one entity from the fold's documents; what is below hours is for `hour`."""

    def __init__(self, snapshot: Snapshot, entity: str, documents: Documents) -> None:
        self.snapshot = snapshot
        self.entity = entity
        self.documents = documents

    def node(self, metric: str, name: str) -> Node:
        """Return the tree of a metric in a window."""
        each = window(name)
        said = self.documents.fold(self.entity, metric, name)
        found = self._head(metric, name, said)
        if metric in CONTROLLED:
            gross, tags = CONTROLLED[metric]
            found.notes.append("the gross total less its parts 总量减去标记部分")
            parts = [each for each in tags if self.documents.fold(self.entity, each, name).value is not None]
            found.children += [self.node(each, name) for each in (gross, *parts)]
        elif metric.startswith("variant."):
            found.notes += [wording.VARIANTS[each] for each in variants_of(said.value or 0)]
        elif metric.startswith("ind."):
            self._indicator(found, self.snapshot.indicators[metric[4:]], name)
        elif metric.startswith(("output.", "reported.")):
            self._output(found, metric, each)
        elif is_average(metric):
            self._average(found, metric, name)
        elif metric.startswith(BY_LINE):
            self._divided(found, metric, each)
        elif each.kind == "hour":
            self._hour(found, metric, each)
        else:
            self._children(found, metric, each)
        found.children += fired(self._flaws(each), each)
        return found

    def _flaws(self, each: Window) -> Sequence[Flaw]:
        """Return what rules found wrong in a window; a territory's is told of its enterprises."""
        return ()

    def _head(self, metric: str, name: str, said: Said) -> Node:
        found = Node(
            f"{self.entity} {metric} {name}: {wording.metric_label(metric)}",
            wording.number(said.value),
            self.snapshot.unit_of(metric),
        )
        status = wording.STATUSES.get(said.status or "", "")
        coverage = self._coverage(metric, name)
        if status or coverage:
            found.notes.append("; ".join(part for part in (status, coverage) if part))
        return found

    def _coverage(self, metric: str, name: str) -> str:
        """Return how much of a window is known, by the times of the carriers that a metric is made of."""
        if metric.startswith(("time.", "online.", "lines.", "output.", "reported.")):
            return ""
        sums = self._times(metric, name)
        expected, measured, estimated = sums
        if not expected:
            return "nothing was expected 无应测时间"
        missing = max(expected - measured - estimated, 0)
        parts = [
            f"{wording.KINDS[kind]} {100 * share / expected:.4g} %"
            for kind, share in ((MEASURED, measured), (ESTIMATED, estimated), (MISSING, missing))
            if share
        ]
        return ", ".join(parts)

    def _times(self, metric: str, name: str) -> tuple[int, int, int]:
        if is_divided(metric):
            expected, *known = (self.documents.fold(self.entity, time, name).value or 0 for time in LINE_TIMES)
            return expected, known[0], known[1]
        document = self.documents.document(self.entity, home_of(window(name)))
        carrier = carrier_in(metric)
        sums = [0, 0, 0]
        for other in document.metrics if document is not None else ():
            for at, lead in enumerate(_TIMES):
                if other.startswith(lead) and carrier in (None, other.removeprefix(lead)):
                    sums[at] += self.documents.fold(self.entity, other, name).value or 0
        return sums[0], sums[1], sums[2]

    def _hour(self, found: Node, metric: str, hour: Window) -> None:
        """Put below a number of an hour what it was made from."""
        raise NotImplementedError

    def _divided(self, found: Node, metric: str, each: Window) -> None:
        """Put below what is divided between product lines how that came about."""
        found.notes.append("product lines are an enterprise's own 产品线仅属于企业")

    def _average(self, found: Node, metric: str, name: str) -> None:
        """Put below an average of a gauge the integral and the time it is taken over."""
        meter = self.snapshot.meter(self.entity)
        if meter is None or meter.type != "gauge":
            found.notes.append("only a meter that is a gauge has an average 仅瞬时量计量点有均值")
            return
        hours = f"{meter.valid_hour_ms / 60_000:g} min measured in an hour, {meter.valid_day_hours} such hours in a day"
        found.notes.append(
            "(the integral less its estimated part) / measured time （积分值 − 估算部分）/ 实测时间; "
            f"it needs 有效性要求 {hours}"
        )
        found.children += [self.node(each, name) for each in parts_of_average(meter)]

    def _units(self, metric: str) -> tuple[str, str]:
        """Return the units of a `qty.*`, `integral.*` or `time.*`, and of the amounts it is made of."""
        return self.snapshot.unit_of(metric), self.snapshot.unit_of(whole_of(metric))

    def _children(self, found: Node, metric: str, each: Window) -> None:
        """Put below a number the windows that it is the sum of: in a word those that are whole, else one by one."""
        document = self.documents.document(self.entity, home_of(each))
        if document is None:
            found.notes.append("there is no document of this window: nothing is known of it 无此周期的数据")
            return
        part = children_in(document, each)
        kids = children_of(document.period)[part]
        values = document.metrics.get(metric, [None] * len(document.status))[part]
        statuses = document.status[part]
        kind = wording.WINDOWS[kids[0].kind]
        known = [value for value in values if value is not None]
        found.children.append(
            text(f"the sum of {len(known)} of {len(kids)} {kind} 之和; the others have no value or have not ended")
            if len(known) < len(kids)
            else text(f"the sum of {len(kids)} {kind} 之和")
        )
        plain, telling = self._sorted(metric, kids, values, statuses)
        if plain:
            whole = sum(value for _, value in plain)
            found.children.append(
                Node(f"{len(plain)} {kind} wholly measured 完整实测", decimal_text(whole), found.unit)
            )
        runs = _runs(telling)
        for run in runs[:SHOWN]:
            first, value, why = run[0]
            label = first.name if len(run) == 1 else f"{first.name} .. {run[-1][0].name} ({len(run)} {kind})"
            found.children.append(Node(label, wording.number(value), found.unit, [why] if why else []))
        if len(runs) > SHOWN:
            rest = [value for run in runs[SHOWN:] for _, value, _ in run]
            total = decimal_text(sum(value for value in rest if value is not None))
            found.children.append(Node(f"{len(rest)} more {kind} 其余", total, found.unit))
        if kids:
            first = next((kid for kid, value in zip(kids, values, strict=True) if value is not None), kids[0])
            found.notes.append(f"deeper 下一层: qingyu explain {self.entity} {metric} {first.name}")

    def _sorted(
        self, metric: str, kids: Sequence[Window], values: Sequence[int | None], statuses: Sequence[str | None]
    ) -> tuple[list[tuple[Window, int]], list[Telling]]:
        """Return the children that are whole, and those of which there is something to be said."""
        plain: list[tuple[Window, int]] = []
        telling: list[Telling] = []
        for kid, value, status in zip(kids, values, statuses, strict=True):
            if status is None:
                continue
            expected, measured, estimated = self._times_of_child(metric, kid)
            missing = expected - measured - estimated
            why = [wording.STATUSES["revised"]] if status == "revised" else []
            why += [f"{wording.KINDS[ESTIMATED]} {estimated / 1e6:g} s"] if estimated else []
            why += [f"{wording.KINDS[MISSING]} {missing / 1e6:g} s"] if missing > 0 else []
            if value is None or why:
                telling.append((kid, value, ", ".join(why)))
            else:
                plain.append((kid, value))
        return plain, telling

    def _times_of_child(self, metric: str, kid: Window) -> tuple[int, int, int]:
        return (0, 0, 0) if metric.startswith("time.") else self._times(metric, kid.name)

    def _output(self, found: Node, metric: str, each: Window) -> None:
        """Put below an output where it comes from."""
        if each.kind == "hour":
            found.notes.append("outputs are reported for a day or longer 产量按日或更长周期填报")
            return
        document = self.documents.document(self.entity, home_of(each))
        values = None if document is None else document.metrics.get(metric)
        if document is None or values is None:
            found.notes.append("nothing was reported for this window, nor for all of its parts 未填报")
            return
        kids = children_of(document.period)[children_in(document, each)]
        mine = list(zip(kids, values[children_in(document, each)], strict=True))
        found.children.append(
            text("no value was reported for the window itself: the sum of its parts, if all have one")
        )
        found.children += [Node(kid.name, wording.number(value), found.unit) for kid, value in mine]

    def _indicator(self, found: Node, indicator: IndicatorView, name: str) -> None:
        """Put below an indicator its numerator and denominator, and the quotient before rounding."""
        if indicator.type in (*ORDER, AVERAGE):
            self._windows_of(found, indicator, window(name))
            return
        top = self.documents.fold(self.entity, indicator.numerator, name).value
        bottom = None
        if indicator.denominator is not None:
            bottom = self.documents.fold(self.entity, indicator.denominator, name).value
        metrics = {indicator.numerator: top, indicator.denominator or "": bottom}
        value = indicator_value(indicator, metrics)
        formula = (
            indicator.numerator if indicator.denominator is None else f"{indicator.numerator} / {indicator.denominator}"
        )
        found.notes.append(f"{indicator.id} = {formula} × {indicator.factor} [{indicator.unit}]")
        if top is None or (indicator.denominator is not None and not bottom):
            found.notes.append("a part of it has no value, or is zero 分子或分母无值或为零")
        else:
            exact = Fraction(top, bottom or MICRO) * indicator.factor
            found.notes.append(
                f"exactly 精确值 {wording.fraction(exact)}, rounded half-even 修约 {wording.number(value)}"
            )
        found.children.append(self.node(indicator.numerator, name))
        if indicator.denominator is not None:
            found.children.append(self.node(indicator.denominator, name))

    def _windows_of(self, found: Node, indicator: IndicatorView, each: Window) -> None:
        """Put below an indicator that several windows go into what each of them has."""
        metrics = [indicator.numerator, *([indicator.denominator] if indicator.denominator is not None else [])]
        if indicator.type == GROWTH:
            formula = f"({metrics[0]} / that of the year before 上年同期 - 1) × {indicator.factor}"
            windows = [window(year_before(each.name)), each]
        elif indicator.type == AVERAGE:
            formula = (
                f"the mean of {metrics[0]} over whole {wording.WINDOWS[indicator.over or 'day']} × {indicator.factor}"
            )
            windows = self._kids(each)
        else:
            formula = f"{' / '.join(metrics)} since 1 January 年累计 × {indicator.factor}"
            windows = [kid for kid in children_of(each.name[:4]) if kid.start_ms < each.end_ms]
        found.notes.append(f"{indicator.id} = {formula} [{indicator.unit}]")
        if found.value is None:
            found.notes.append(
                "a window has no value, has not ended, is not above zero, or is in other prices "
                "某一周期无值、未结束、不大于零或价格基期不同"
            )
        for metric in metrics:
            unit = self.snapshot.unit_of(metric)
            found.children += [
                Node(
                    f"{metric} {kid.name}",
                    wording.number(self.documents.fold(self.entity, metric, kid.name).value),
                    unit,
                )
                for kid in windows
            ]

    def _kids(self, each: Window) -> Sequence[Window]:
        document = self.documents.document(self.entity, home_of(each))
        if document is None or each.kind == "hour":
            return ()
        return children_of(document.period)[children_in(document, each)]


class EnterpriseExplainer(Explainer):
    """Explains an enterprise's numbers, down to the readings of the meters of its boundary."""

    def __init__(self, facts: EnterpriseFacts, documents: Documents) -> None:
        super().__init__(facts.snapshot, f"enterprise/{facts.enterprise}", documents)
        self._facts = facts

    def _flaws(self, each: Window) -> Sequence[Flaw]:
        return self._facts.flaws(each, None)

    def _output(self, found: Node, metric: str, each: Window) -> None:
        report = self._facts.reports.get((metric, each.name))
        if report is None:
            super()._output(found, metric, each)
            return
        found.children.append(
            Node(
                f"reported 填报 by {report.reporter}, received 收到 {wording.instant(report.received)}, "
                f"revision {report.rev}",
                report.value,
                report.unit,
            )
        )

    def _divided(self, found: Node, metric: str, each: Window) -> None:
        document = self.documents.document(self.entity, home_of(each))
        told = None if document is None else dividing(self._facts, document, metric, each)
        if told is None:
            self._children(found, metric, each)
            return
        found.notes += told.notes
        found.children += told.children
        found.children += [self.node(part, each.name) for part in told.parts]
        for line in told.meters:
            mine = self._facts.hour(each.start_ms).meters[line.place]
            name = f"qty.{line.meter.carrier}"
            found.children.append(meter_node(mine, line.meter, self._units(name), name, line.sign, each.start_ms))

    def _hour(self, found: Node, metric: str, hour: Window) -> None:
        if metric.startswith(UNEXPLAINED):
            found.children += _differences(self._facts, metric, None, self._units(metric), hour)
            return
        if metric.startswith(ONLINE):
            found.notes.append("the time for which data came, of all meters or of their sources 在线时间")
            return
        facts = self._facts.hour(hour.start_ms)
        if metric.startswith(("qty.", "integral.", "time.")):
            carrier = carrier_of(metric)
            part = metric.split(".", 2)[2] if metric.startswith("qty.") and metric.count(".") > 1 else None
            found.notes.append(
                wording.PARTS.get(part or "", "the sum of inputs less outputs over the boundary 边界输入减输出")
            )
            found.children += [
                meter_node(facts.meters[line.place], line.meter, self._units(metric), metric, line.sign, hour.start_ms)
                for line in self._facts.lines(carrier, part)
            ]
            return
        release = facts.valuation.id if facts.valuation is not None else None
        found.notes.append(
            "no release of coefficients is in force 无生效的系数发布"
            if release is None
            else f"release of coefficients 系数发布: {release}; each product is rounded half-even, once 每项修约一次"
        )
        for each in products(metric, facts.metrics, self.snapshot.carriers, facts.valuation):
            found.children.append(self._product(each, facts, hour))

    def _product(self, each: Product, facts: HourFacts, hour: Window) -> Node:
        unit = self.snapshot.unit_of(each.metric)
        own = self.snapshot.unit_of(f"qty.{each.carrier}")
        found = Node(f"{each.carrier}{f' ({each.scope})' if each.scope else ''}", wording.number(each.rounded), unit)
        quantity = wording.number(each.quantity)
        if each.value is None or each.exact is None:
            what = "equivalent value 等价值" if each.metric.startswith(EQ) else "coefficient or factor 系数或因子"
            found.notes.append(f"{quantity} {own} has no {what} in the release, so the whole has no value 缺少系数")
        else:
            origin = source_of(each)
            found.notes += [
                f"{quantity} {own} × {wording.worth(each.value)} {unit}/{own} = "
                f"{wording.fraction(each.exact)} exactly 精确值, rounded 修约 {wording.number(each.rounded)}",
                f"source 来源: {origin.source}",
                f"whose 归属: {wording.VARIANTS[origin.variant]}",
                f"confidence 可信度: {origin.confidence or 'not said 未注明'}",
            ]
            if origin.parts is not None:
                found.notes.append(f"computed from 计算自: {origin.parts}")
        part = part_of(each.metric)
        name = f"qty.{each.carrier}" + ("" if part is None else f".{part}")
        found.children.append(self.node(name, hour.name))
        return found


def _runs(telling: Sequence[Telling]) -> list[list[Telling]]:
    """Return windows as they are, but those that follow each other without a value, for one reason, together."""
    found: list[list[Telling]] = []
    for each in telling:
        last = found[-1][-1] if found else None
        if last is not None and last[1] is None and each[1] is None and last[2] == each[2]:
            found[-1].append(each)
        else:
            found.append([each])
    return found


class MeterExplainer(Explainer):
    """Explains a meter's numbers, down to its readings."""

    def __init__(self, facts: EnterpriseFacts, meter: MeterView, documents: Documents) -> None:
        super().__init__(facts.snapshot, meter.entity, documents)
        self._facts = facts
        self._meter = meter

    def _flaws(self, each: Window) -> Sequence[Flaw]:
        return self._facts.flaws(each, self._meter.id)

    def _hour(self, found: Node, metric: str, hour: Window) -> None:
        if metric.startswith(UNEXPLAINED):
            found.children += _differences(self._facts, metric, self._meter, self._units(metric), hour)
            return
        mine = self._facts.hour(hour.start_ms).meters[self._meter.index]
        below = meter_node(mine, self._meter, self._units(metric), metric, 1, hour.start_ms)
        found.notes += below.notes
        found.children += below.children


def is_average(metric: str) -> bool:
    """Tell whether a metric is an average of a gauge."""
    return metric.startswith(("avg.", "rate."))


def parts_of_average(meter: MeterView) -> list[str]:
    """Return the metrics that the average of a gauge is made from: integral, its estimated part, measured time."""
    whole = f"{'qty' if meter.is_rate else 'integral'}.{meter.carrier}"
    return [whole, whole + _ESTIMATED, f"time.measured.{meter.carrier}"]


def _differences(
    facts: EnterpriseFacts, metric: str, meter: MeterView | None, units: tuple[str, str], hour: Window
) -> list[Node]:
    """Return each meter with sub-meters, less these: the difference is known where all of them are wholly covered."""
    found: list[Node] = []
    for lines in facts.nodes(carrier_of(metric), meter):
        known = wholly_covered(facts, lines, hour)
        node = text(
            f"{lines[0].meter.id} less its sub-meters 总表减分表"
            + ("" if known else ": not all of it is covered, so it does not count 覆盖不全，不计")
        )
        node.children = [
            meter_node(
                facts.hour(hour.start_ms).meters[line.place], line.meter, units, metric, line.sign, hour.start_ms
            )
            for line in lines
        ]
        found.append(node)
    return found


def wholly_covered(facts: EnterpriseFacts, lines: Sequence[Line], hour: Window) -> bool:
    """Tell whether all of an hour is measured or estimated of a meter and of its sub-meters that are in service."""
    hours = [facts.hour(hour.start_ms).meters[line.place] for line in lines]
    return hours[0].expected_ms > 0 and all(each.measured_ms + each.estimated_ms >= each.expected_ms for each in hours)


def carrier_of(metric: str) -> str:
    """Return the carrier of a `qty.*`, `integral.*` or `time.*`."""
    for lead in _TIMES:
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
    if metric.endswith(_ESTIMATED):
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
