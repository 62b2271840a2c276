"""The evidence of product lines is a table of how each window's common energy, and lines' energy, was divided."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.decimals import decimal_text
from schemas.documents.metric import BY_LINE
from schemas.messages import CalendarDocument
from schemas.windows import Window, children_of
from services.explain import wording
from services.explain.facts import Documents, EnterpriseFacts, HourFacts, Line
from streams.domain.lines import (
    COMMON,
    LINE,
    OWN,
    PRODUCT,
    VALUES,
    Division,
    coefficient,
    divided_by,
    parts_of_metric,
    product_weights,
)
from streams.domain.looking import home_of, part_of
from streams.domain.products import Product, source_of

LINES = ("window", "metric", "line", "own", "shared", "from_weight", "to_weight", "whole", "energy")


class Asked(NamedTuple):
    """What is asked of lines: by `energy.cv` or `energy.eq`, of which lines and products."""

    value: str
    lines: tuple[str, ...]
    products: tuple[str, ...]


def asked_of(metric: str, divisions: Sequence[Division]) -> Asked | None:
    """Return which lines and products the number of a metric rests on; None where it is none of lines."""
    if not metric.startswith(BY_LINE) or not metric.startswith(VALUES):
        return None
    every = [line for division in divisions for line in division.view.lines]
    value, kind, id_ = parts_of_metric(metric)
    if kind == PRODUCT:
        makers = sorted({line.id for line in every if id_ in {each.id for each in line.products}})
        return Asked(value, tuple(makers), (id_,))
    return Asked(value, (id_,) if kind == LINE else tuple(sorted({line.id for line in every})), ())


def outputs_of(divisions: Sequence[Division]) -> list[str]:
    """Return the outputs that something is divided by, as metrics."""
    found = {
        f"output.{each.id}"
        for division in divisions
        for line in division.view.lines
        for each in line.products
        if division.view.unallocated is None or line.by_output
    }
    return sorted(found)


def meters_of(facts: EnterpriseFacts, divisions: Sequence[Division]) -> list[Line]:
    """Return the meters of lines, each once."""
    found = {
        place: Line(place, facts.table.meters[place], sign)
        for division in divisions
        for mine in division.measured.values()
        for each in mine
        for place, sign in zip(each.places.tolist(), each.signs.tolist(), strict=True)
    }
    return list(found.values())


def own_products(division: Division, hour: HourFacts, value: str) -> Iterator[Product]:
    """Yield what the own meters of each line gave in an hour by carrier, as the enterprise's products are told."""
    for line, mine in division.measured.items():
        for carrier, places, signs in mine:
            pairs = zip(places.tolist(), signs.tolist(), strict=True)
            quantity = sum(hour.meters[place].amount * sign for place, sign in pairs)
            row = None if hour.valuation is None else hour.valuation.coefficients.get(carrier)
            yield Product(f"{value}.{OWN}.{line}", carrier, quantity, None, coefficient(value, row), row)


def own_rows(hour: str, division: Division, computed: HourFacts, value: str) -> Iterator[Sequence[str]]:
    """Yield the rows of account.csv of what the lines' own meters gave in an hour."""
    release = (computed.valuation.id if computed.valuation else None) or ""
    for each in own_products(division, computed, value):
        row = source_of(each._replace(metric=value))
        yield (
            hour, each.metric, each.carrier, decimal_text(each.quantity), "",
            "" if each.value is None else wording.worth(each.value),
            "" if each.exact is None else wording.fraction(each.exact), wording.number(each.rounded) or "", release,
            row.source, row.variant, row.confidence,
        )  # fmt: skip


class LineRows:
    """The rows of the table for one enterprise."""

    def __init__(self, facts: EnterpriseFacts, documents: Documents) -> None:
        self._facts = facts
        self._documents = documents
        self._entity = f"enterprise/{facts.enterprise}"

    def of(self, asked: Asked, each: Window) -> Iterator[Sequence[str]]:
        """Yield the rows of what is asked in a window, or in those that it is the sum of, where it was divided."""
        for kind, ids in ((LINE, asked.lines), (PRODUCT, asked.products)):
            for id_ in ids:
                yield from self._target(asked.value, kind, id_, each)

    def _target(self, value: str, kind: str, id_: str, each: Window) -> Iterator[Sequence[str]]:
        document = self._documents.document(self._entity, home_of(each))
        if document is None:
            return
        if each.kind != "hour" and self._facts.divided.is_sum(
            document, part_of(document, each), value, f"{kind}.{id_}"
        ):
            for kid in children_of(document.period)[part_of(document, each)]:
                yield from self._target(value, kind, id_, kid)
            return
        divisions = self._facts.divided.over(each.start_ms, each.end_ms)
        if len(divisions) == 1 and self._value(f"{value}.{kind}.{id_}", each) is not None:
            yield from self._divided(document, divisions[0], value, kind, id_, each)

    def _value(self, metric: str, each: Window) -> int | None:
        return self._documents.fold(self._entity, metric, each.name).value

    def _divided(
        self, document: CalendarDocument, division: Division, value: str, kind: str, id_: str, each: Window
    ) -> Iterator[Sequence[str]]:
        outputs = {name.removeprefix("output."): self._value(name, each) for name in outputs_of([division])}
        lines = division.view.lines
        if kind == LINE:
            own, shared = self._value(f"{value}.{OWN}.{id_}", each), self._value(f"{value}.{COMMON}", each)
            weights = division.weights(outputs) or []
            places = [(line.id, at) for at, line in enumerate(lines) if line.id == id_]
            for line, at in places:
                yield self._row(f"{value}.{LINE}.{line}", line, own or 0, shared or 0, weights, at, each)
            return
        for line in lines:
            weights = product_weights(line, outputs) or []
            for at, made in enumerate(line.products):
                if made.id == id_:
                    shared = self._value(f"{value}.{LINE}.{line.id}", each)
                    yield self._row(f"{value}.{PRODUCT}.{id_}", line.id, 0, shared or 0, weights, at, each)

    @staticmethod
    def _row(
        metric: str, line: str, own: int, shared: int, weights: Sequence[int], at: int, each: Window
    ) -> Sequence[str]:
        low, whole = sum(weights[:at]), sum(weights)
        high = low + weights[at]
        energy = own + divided_by(shared, weights)[at]
        return (
            each.name, metric, line, decimal_text(own), decimal_text(shared), str(low), str(high), str(whole),
            decimal_text(energy),
        )  # fmt: skip
