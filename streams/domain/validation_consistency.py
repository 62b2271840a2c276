"""Consistency of validation rules is what a rule must be to the meters that it names, and to the shipped rules."""

from collections.abc import Iterator

from schemas.documents import Carrier, DocumentKey, Meter, Validation
from schemas.ids import split_meter_id
from schemas.reference.validation import shipped
from schemas.units import UnitError, conversion
from streams.domain.consistency import Documents, Problem

_SHIPPED_IDS = {rule.id: check for check, rule in shipped().items()}


def check_validation(rule: Validation, documents: Documents) -> Iterator[Problem]:
    """Yield a problem for a rule that bears another check's id, and for meters that cannot be held as it says."""
    key, spec = rule.key, rule.spec
    meant = _SHIPPED_IDS.get(rule.id)
    if meant is not None and meant != spec.check:
        message = (
            f"{rule.id} is the id of the shipped rule of check {meant}: give a rule of check {spec.check} another one"
        )
        yield Problem(key, None, "id", "duplicate", message)
    if spec.check in ("interval-sum", "phases") and spec.against is None:
        message = f"a rule of check {spec.check} needs meters and against, the meter that their sum is held against"
        yield Problem(key, None, "spec.meters", "missing", message)
    if spec.against is not None:
        yield from _named(rule, spec.against, documents)
    if spec.unit is not None and spec.select is not None and spec.select.kind == "meter":
        for place, id_ in enumerate(spec.select.id or ()):
            meter = documents.get(DocumentKey("meter", id_))
            if isinstance(meter, Meter):
                yield from _fits(rule, f"spec.select.id.{place}", meter, spec.unit)


def _fits(rule: Validation, path: str, meter: Meter, unit: str) -> Iterator[Problem]:
    try:
        conversion(unit, meter.spec.unit)
    except UnitError as error:
        message = f"{meter.key} shows {meter.spec.unit}: {error}"
        yield Problem(rule.key, meter.key, path, "unit_mismatch", message)


def _named(rule: Validation, against: str, documents: Documents) -> Iterator[Problem]:
    enterprise = split_meter_id(against)[0]
    whole = documents.get(DocumentKey("meter", against))
    for place, id_ in enumerate(rule.spec.meters or ()):
        path = f"spec.meters.{place}"
        part = documents.get(DocumentKey("meter", id_))
        if id_ == against:
            yield Problem(rule.key, None, path, "loop", f"{id_} is held against itself: name its parts alone")
        elif id_ in (rule.spec.meters or ())[:place]:
            yield Problem(rule.key, None, path, "duplicate", f"{id_} is added up twice: keep one")
        elif split_meter_id(id_)[0] != enterprise:
            message = f"{id_} is of another enterprise than {against}: only meters of one enterprise are compared"
            yield Problem(rule.key, None, path, "wrong_enterprise", message)
        elif isinstance(part, Meter) and isinstance(whole, Meter) and part.spec.carrier != whole.spec.carrier:
            message = (
                f"{part.key} measures {part.spec.carrier}, {whole.key} {whole.spec.carrier}: they cannot be summed"
            )
            yield Problem(rule.key, part.key, path, "unit_mismatch", message)


def check_capacity(meter: Meter, documents: Documents) -> Iterator[Problem]:
    """Yield a problem for a transformer's rating where what is metered is no electric energy."""
    carrier = documents.get(DocumentKey("carrier", meter.spec.carrier))
    if meter.spec.capacity_kva is None or not isinstance(carrier, Carrier):
        return
    try:
        conversion("kWh", carrier.spec.unit)
    except UnitError as error:
        message = f"a rating in kVA is for electric energy, {carrier.key} is counted in {carrier.spec.unit}: {error}"
        yield Problem(meter.key, carrier.key, "spec.capacity_kva", "unit_mismatch", message)
