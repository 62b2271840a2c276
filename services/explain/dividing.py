"""Dividing tells how what an enterprise uses came to its product lines: own meters, common energy, and the key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from schemas.decimals import MICRO, decimal_text, divide_half_even
from schemas.documents import Allocation, DocumentKey
from schemas.messages import CalendarDocument
from schemas.windows import Window
from services.explain import wording
from services.explain.facts import EnterpriseFacts, Line
from services.explain.tree import Node
from streams.domain.lines import (
    COMMON,
    LINE,
    OWN,
    PRODUCT,
    UNALLOCATED,
    Division,
    coefficient,
    divided_by,
    parts_of_metric,
    product_weights,
)
from streams.domain.looking import look_up, part_of

_UNIT = "kgce"
_NOT_WHOLE = (
    "not all meters that it takes are wholly covered, so nothing of the hour is divided "
    "所需计量点覆盖不全，该小时不分摊"
)


@dataclass(slots=True)
class Told:
    """What is said of a number that was divided; `parts` are metrics of the same window that it is made from."""

    notes: list[str] = field(default_factory=list[str])
    children: list[Node] = field(default_factory=list[Node])
    parts: list[str] = field(default_factory=list[str])
    meters: list[Line] = field(default_factory=list[Line])


def dividing(facts: EnterpriseFacts, document: CalendarDocument, metric: str, each: Window) -> Told | None:
    """Return how a number of lines came about in a window; None where it is the sum of the window's parts."""
    if metric.startswith("lines."):
        note = "meter-seconds of the boundary's energy meters and all lines' meters 边界与各产品线计量点时间之和"
        return Told([note]) if each.kind == "hour" else None
    value, kind, id_ = parts_of_metric(metric)
    divisions = facts.divided.over(each.start_ms, each.end_ms)
    if not divisions:
        return Told(["no allocation is in force 无生效的分摊办法"])
    if kind == UNALLOCATED:
        lines = sorted({line.id for division in divisions for line in division.view.lines})
        note = "the enterprise's energy less that of all lines 企业能耗减各产品线能耗"
        return Told([note], parts=[value, *(f"{value}.{LINE}.{line}" for line in lines)])
    if each.kind != "hour":
        if kind in (OWN, COMMON):
            return None
        if facts.divided.is_sum(document, part_of(document, each), value, f"{kind}.{id_}"):
            return None
    if len(divisions) > 1 or divisions[0].from_ms > each.start_ms or divisions[0].to_ms < each.end_ms:
        return Told(["no one allocation holds over all of it, and not all its parts are divided 期间分摊办法不唯一"])
    return _Telling(facts, document, divisions[0], value, each).tell(kind, id_)


class _Telling:
    """The telling of one window under one allocation."""

    def __init__(
        self, facts: EnterpriseFacts, document: CalendarDocument, division: Division, value: str, each: Window
    ) -> None:
        self._facts = facts
        self._division = division
        self._value = value
        self._each = each
        self._document = document

    def tell(self, kind: str, id_: str) -> Told:
        if kind == OWN:
            return self._own(id_)
        if kind == COMMON:
            lines = [f"{self._value}.{OWN}.{line.id}" for line in self._division.view.lines]
            note = "the enterprise's energy less what the lines' own meters measured 企业能耗减各产品线直接计量能耗"
            return Told([note, *self._lacking()], parts=[self._value, *lines])
        found = self._product(id_) if kind == PRODUCT else self._line(id_)
        found.notes.insert(0, self._paper())
        return found

    def _of(self, metric: str) -> int | None:
        return look_up(lambda _: self._document, metric, self._each.name).value

    def _paper(self) -> str:
        view = self._division.view
        document = self._facts.snapshot.documents[DocumentKey("allocation", view.id)]
        assert isinstance(document, Allocation)
        return f"allocation 分摊办法: {view.id}, key 分摊依据: {document.spec.key}; source 来源: {document.spec.source}"

    def _lacking(self) -> Iterator[str]:
        if self._each.kind != "hour":
            return
        hour = self._facts.hour(self._each.start_ms)
        short = [
            self._facts.table.ids[place]
            for place in self._division.places.tolist()
            if hour.meters[place].measured_ms + hour.meters[place].estimated_ms < hour.meters[place].expected_ms
        ]
        if short:
            yield f"{_NOT_WHOLE}: {', '.join(short)}"

    def _own(self, id_: str) -> Told:
        found = Told(list(self._lacking()))
        hour = self._facts.hour(self._each.start_ms)
        for carrier, places, signs in self._division.measured.get(id_, ()):
            lines = [
                Line(place, self._facts.table.meters[place], sign)
                for place, sign in zip(places.tolist(), signs.tolist(), strict=True)
            ]
            quantity = sum(hour.meters[line.place].amount * line.sign for line in lines)
            row = None if hour.valuation is None else hour.valuation.coefficients.get(carrier)
            worth = coefficient(self._value, row)
            node = Node(carrier, None, _UNIT)
            if worth is None:
                node.notes.append("it has no coefficient, so the line has no value 缺少系数")
            else:
                of_one = Fraction(worth.numerator, worth.denominator)
                exact = quantity * of_one / MICRO
                node.value = decimal_text(divide_half_even(quantity * worth.numerator, worth.denominator))
                node.notes.append(
                    f"{decimal_text(quantity)} × {wording.fraction(of_one)} = {wording.fraction(exact)} "
                    "exactly 精确值, rounded half-even 修约"
                )
            found.children.append(node)
            found.meters += lines
        if not self._division.measured.get(id_):
            found.notes.append("the line has no meters of its own 无单独计量")
        return found

    def _outputs(self) -> dict[str, int | None]:
        made = {each.id for line in self._division.view.lines for each in line.products}
        return {product: self._of(f"output.{product}") for product in sorted(made)}

    def _line(self, id_: str) -> Told:
        own, common = f"{self._value}.{OWN}.{id_}", f"{self._value}.{COMMON}"
        view = self._division.view
        found = Told(["its own and its part of the common 直接计量能耗加公用能耗分摊"], parts=[own, common])
        by_outputs = view.unallocated is None
        if by_outputs and self._each.kind == "hour":
            found.notes.append(
                "by outputs an hour is not divided, but the windows that outputs are reported for 小时不分摊"
            )
            return found
        found.notes += self._lacking()
        outputs = self._outputs() if by_outputs else {}
        found.parts += [f"output.{product}" for product in outputs]
        weights, amount = self._division.weights(outputs), self._of(common)
        if weights is None or amount is None:
            found.notes += _unknown(outputs)
            return found
        place = next((at for at, line in enumerate(view.lines) if line.id == id_), None)
        if place is None:
            return Told([f"the allocation has no line {id_} 无此产品线"])
        found.children.append(_share(amount, weights, place))
        return found

    def _product(self, id_: str) -> Told:
        found = Told(["its parts of the lines that make it 生产该产品的各产品线分摊之和"])
        outputs = self._outputs()
        for line in self._division.view.lines:
            place = next((at for at, each in enumerate(line.products) if each.id == id_), None)
            if place is None:
                continue
            found.parts.append(f"{self._value}.{LINE}.{line.id}")
            amount = self._of(found.parts[-1])
            weights = product_weights(line, outputs)
            if line.by_output:
                mine = {each.id: outputs[each.id] for each in line.products}
                found.parts += [f"output.{product}" for product in mine]
                found.notes += _unknown(mine)
            if amount is not None and weights is not None and any(weights):
                found.children.append(_share(amount, weights, place))
        return found


def _share(amount: int, weights: list[int], place: int) -> Node:
    """Return the part of an amount that a weight gets, with the formula by which it is exact in sum."""
    before, whole = sum(weights[:place]), sum(weights)
    node = Node("its part 分摊所得", decimal_text(divided_by(amount, weights)[place]), _UNIT)
    share = wording.fraction(Fraction(weights[place], whole))
    node.notes.append(
        f"{decimal_text(amount)} × {weights[place]} / {whole} ({share}), in millionths 按百万分之一取整: "
        f"floor(E·{before + weights[place]}/{whole}) - floor(E·{before}/{whole})"
    )
    return node


def _unknown(outputs: Mapping[str, int | None]) -> list[str]:
    """Return why outputs divide nothing."""
    unknown = [product for product, output in outputs.items() if output is None]
    if unknown:
        return [f"no output is known of 缺少产量: {', '.join(unknown)}"]
    return ["all outputs are zero 产量均为零"] if outputs and not any(outputs.values()) else []
