"""An explanation of an enterprise's or a meter's number: from a window down to hours, meters, spans and readings."""

from collections.abc import Sequence

from schemas.windows import Window
from services.explain import wording
from services.explain.dividing import dividing
from services.explain.explaining import UNEXPLAINED, Explainer
from services.explain.facts import Documents, EnterpriseFacts, HourFacts
from services.explain.meter_hour import (
    carrier_of,
    meter_node,
    wholly_covered,
)
from services.explain.tree import Node, text
from streams.domain.flaw import Flaw
from streams.domain.looking import home_of
from streams.domain.online import ONLINE
from streams.domain.products import EQ, Product, part_of, products, source_of
from streams.domain.views import MeterView


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
