"""Consistency of allocations is what lines, their meters and products, and formulas that name them must agree on."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from schemas.documents import Allocation, Carrier, DocumentKey, Indicator, Meter, Rule, parse_metric
from schemas.ids import split_meter_id
from schemas.units import UnitError
from streams.domain.consistency import Documents, Problem
from streams.domain.views import counted_in


def check_allocation(allocation: Allocation, documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each meter of a line that is another's, measures no use of energy, or counts it twice."""
    of = {meter: line.id for line in allocation.spec.lines for meter in line.meters}
    for number, line in enumerate(allocation.spec.lines):
        for place, id_ in enumerate(line.meters):
            path, key = f"spec.lines.{number}.meters.{place}", DocumentKey("meter", id_)
            meter = documents.get(key)
            if split_meter_id(id_)[0] != allocation.spec.enterprise:
                message = f"{key} is no meter of enterprise {allocation.spec.enterprise}: a line has meters of its own"
                yield Problem(allocation.key, key, path, "wrong_enterprise", message)
            elif isinstance(meter, Meter):
                yield from _check_use(allocation, path, meter, documents)
                above = _above(meter, of, documents)
                if above is not None:
                    message = (
                        f"meter/{above} above it is of line {of[above]}, so its energy would be counted twice: "
                        "leave one of them out"
                    )
                    yield Problem(allocation.key, key, path, "counted_twice", message)


def _check_use(allocation: Allocation, path: str, meter: Meter, documents: Documents) -> Iterator[Problem]:
    spec = meter.spec
    if spec.role == "generation" and spec.counts_as != "renewable":
        message = f"{meter.key} is own generation of what is counted already: name what it is made from"
        yield Problem(allocation.key, meter.key, path, "no_use", message)
    carrier = documents.get(DocumentKey("carrier", spec.carrier))
    if not isinstance(carrier, Carrier):
        return
    try:
        level = spec.type == "gauge" and counted_in(spec.type, spec.unit, carrier.spec.unit) == carrier.spec.unit
    except UnitError:
        return
    if level or not carrier.spec.energy:
        message = f"{meter.key} measures no amount of an energy carrier: a line's meters are of what it uses"
        yield Problem(allocation.key, meter.key, path, "no_use", message)


def _above(meter: Meter, of: dict[str, str], documents: Documents) -> str | None:
    """Return the nearest meter above one, of its carrier, that is of a line, too."""
    seen = {meter.id}
    at = meter
    while at.spec.parent is not None:
        id_ = f"{meter.enterprise}.{at.spec.parent}"
        above = documents.get(DocumentKey("meter", id_))
        if id_ in seen or not isinstance(above, Meter) or above.spec.carrier != meter.spec.carrier:
            return None
        if id_ in of:
            return id_
        seen.add(id_)
        at = above
    return None


def check_allocations(documents: Documents) -> Iterator[Problem]:
    """Yield a problem for each two allocations of an enterprise on one day, and for formulas on lines there are not."""
    by_enterprise: defaultdict[str, list[Allocation]] = defaultdict(list)
    made_by: defaultdict[str, set[str]] = defaultdict(set)
    for one in documents.values():
        if isinstance(one, Allocation):
            by_enterprise[one.spec.enterprise].append(one)
            for line in one.spec.lines:
                made_by[line.id].update(each.id for each in line.products)
    for group in by_enterprise.values():
        for earlier, later in pairwise(sorted(group, key=lambda one: (one.valid_from, one.id))):
            if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                message = f"{earlier.key} divides the energy of {later.spec.enterprise} on {later.valid_from} too"
                yield Problem(later.key, earlier.key, "valid_from", "overlap", f"{message}: end it there")
    for one in documents.values():
        if isinstance(one, Indicator):
            for path in ("total", "numerator", "denominator"):
                yield from _named(one, f"spec.{path}", getattr(one.spec, path), made_by)
            yield from _check_quotient(one, made_by)
        elif isinstance(one, Rule):
            yield from _named(one, "spec.metric", one.spec.metric, made_by)


def _named(one: Indicator | Rule, path: str, metric: str | None, made_by: dict[str, set[str]]) -> Iterator[Problem]:
    found = parse_metric(metric) if metric is not None else None
    if found is None:
        return
    every = set[str]().union(*made_by.values())
    for what, id_, known in (("line", found.line, made_by.keys()), ("product", found.made, every)):
        if id_ is not None and id_ not in known:
            there = f"there are {', '.join(sorted(known))}" if known else "there are none"
            message = f"no allocation has a line for {what} {id_} ({there}): register the allocation first"
            if what == "line":
                message = f"no allocation has a line {id_} ({there}): register it first or in the same set"
            yield Problem(one.key, None, path, "missing_reference", message)


def _check_quotient(one: Indicator, made_by: dict[str, set[str]]) -> Iterator[Problem]:
    """Yield a problem for the energy of a line, or of a product, divided by the output of what is not made by it."""
    if one.spec.numerator is None or one.spec.denominator is None:
        return
    top, product = parse_metric(one.spec.numerator), parse_metric(one.spec.denominator).product
    if product is None:
        return
    if top.line is not None and top.line in made_by and product not in made_by[top.line]:
        makes = ", ".join(sorted(made_by[top.line])) or "nothing"
        message = f"line {top.line} makes {makes}, not {product}: divide by the output of what it makes"
        yield Problem(one.key, None, "spec.denominator", "not_made", message)
    if top.made is not None and top.made != product:
        message = f"the energy of product {top.made} is divided by the output of {product}: name output.{top.made}"
        yield Problem(one.key, None, "spec.denominator", "not_made", message)
