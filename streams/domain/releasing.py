"""Releasing fills a release with the numbers of the reference rows it names, in the units of its carriers.

The numbers are written into the document, so that what was computed with them stays what it was when a later version
brings other tables.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from schemas.decimals import CONTEXT
from schemas.documents import Carrier, Coefficient, Document, DocumentKey, Factor, Release
from schemas.documents.fields import plain_text
from schemas.reference import ReferenceRow, load
from schemas.reference.base import FROM_MEMORY
from schemas.units import UnitError, conversion
from streams.domain.consistency import Problem


def filled_in(release: Release, documents: Mapping[DocumentKey, Document]) -> tuple[Release, list[Problem]]:
    """Return the release with every value that a reference row gives, and what stands against taking it over."""
    problems: list[Problem] = []

    def take(
        path: str, row: Coefficient | Factor, id_: str, quantity: Literal["kgce", "kgCO2"], stated: Decimal | None
    ) -> bool:
        problem = _against(path, row, id_, quantity, stated, documents)
        if problem is not None:
            code, where, message = problem
            problems.append(Problem(release.key, DocumentKey("carrier", row.carrier), where, code, message))
        return problem is None

    coefficients: list[Coefficient] = []
    for place, row in enumerate(release.spec.coefficients):
        path = f"spec.coefficients.{place}"
        if row.eq_reference is not None and take(f"{path}.eq_reference", row, row.eq_reference, "kgce", row.eq_kgce):
            value = row.eq_kgce if row.eq_kgce is not None else _value(row.eq_reference, row.carrier, documents)
            row = row.model_copy(update={"eq_kgce": value})
        if row.reference is not None and take(f"{path}.reference", row, row.reference, "kgce", row.cv_kgce):
            value = row.cv_kgce if row.cv_kgce is not None else _value(row.reference, row.carrier, documents)
            row = row.model_copy(update={"cv_kgce": value, **_origin(row, load().rows[row.reference])})
        coefficients.append(row)
    factors: list[Factor] = []
    for place, row in enumerate(release.spec.factors):
        if row.reference is not None and take(f"spec.factors.{place}.reference", row, row.reference, "kgCO2", row.kg):
            reference = load().rows[row.reference]
            row = row.model_copy(update={**_worth(row, reference, documents), **_origin(row, reference)})
        factors.append(row)
    spec = release.spec.model_copy(update={"coefficients": tuple(coefficients), "factors": tuple(factors)})
    return release.model_copy(update={"spec": spec}), problems


def check_forced(release: Release) -> Iterator[Problem]:
    """Yield a problem for each row that is undated or from memory in a release that does not say `forced`."""
    if release.spec.forced:
        return
    for name, group in (("coefficients", release.spec.coefficients), ("factors", release.spec.factors)):
        for place, row in enumerate(group):
            named = [row.reference, row.eq_reference if isinstance(row, Coefficient) else None]
            why = "is from memory" if row.confidence == FROM_MEMORY else None
            for id_ in named:
                why = why or _reference_only(id_)
            if why is not None:
                message = f"the number of {row.carrier} {why}: check it, or say forced: true to use it all the same"
                path = f"spec.{name}.{place}"
                yield Problem(release.key, DocumentKey("carrier", row.carrier), path, "needs_force", message)


def _reference_only(id_: str | None) -> str | None:
    row = None if id_ is None else load().rows.get(id_)
    if row is None or not row.reference_only:
        return None
    return "is from memory" if row.date else "has no date"


def _against(
    path: str,
    row: Coefficient | Factor,
    id_: str,
    quantity: Literal["kgce", "kgCO2"],
    stated: Decimal | None,
    documents: Mapping[DocumentKey, Document],
) -> tuple[str, str, str] | None:
    """Return code, path and message of what stands against taking a reference row over, None when nothing does."""
    reference = load().rows.get(id_)
    if reference is None:
        message = f"{id_!r} is no row of the reference tables: it reads TABLE/SECTION/ID"
        return "unknown_reference", path, message
    if reference.quantity != quantity:
        return "unit_mismatch", path, f"{reference.id} is in {reference.quantity}, {quantity} is wanted here"
    try:
        value = _value(id_, row.carrier, documents) if reference.parts is None else None
        if reference.parts is not None:
            _heating_value(reference, row.carrier, documents)
    except UnitError as error:
        return "unit_mismatch", path, f"{reference.id} does not fit carrier {row.carrier}: {error}"
    if isinstance(row, Factor) and reference.parts is not None and (stated is not None or row.parts is not None):
        message = f"a number is stated beside {reference.id}: leave one of them out"
        return "differs_from_reference", path.removesuffix(".reference"), message
    if value is None:
        # Without its carrier there is no unit; that the carrier is not registered is said at the carrier.
        return None
    if stated is not None and stated != value:
        message = f"{plain_text(stated)} is stated, but {reference.id} says {plain_text(value)}: leave one of them out"
        return "differs_from_reference", path.removesuffix(".reference").removesuffix(".eq_reference"), message
    return None


def _worth(
    row: Factor, reference: ReferenceRow, documents: Mapping[DocumentKey, Document]
) -> dict[str, Decimal | None]:
    """Return the fields that a factor takes from a reference row: its parts where it has them, else its number."""
    if reference.parts is None:
        return {"kg": row.kg if row.kg is not None else _value(reference.id, row.carrier, documents)}
    return {
        "ncv_gj": _heating_value(reference, row.carrier, documents),
        "carbon_tc_per_tj": reference.parts.carbon_tc_per_tj,
        "oxidation_pct": reference.parts.oxidation_pct,
    }


def _value(id_: str, carrier: str, documents: Mapping[DocumentKey, Document]) -> Decimal | None:
    """Return a reference row's number for one unit of a carrier; None when the carrier is not there."""
    reference = load().rows[id_]
    return _for_unit(reference.value, reference.unit, carrier, documents)


def _heating_value(reference: ReferenceRow, carrier: str, documents: Mapping[DocumentKey, Document]) -> Decimal | None:
    assert reference.parts is not None
    return _for_unit(reference.parts.ncv_gj, reference.unit, carrier, documents)


def _for_unit(amount: Fraction, unit: str, carrier: str, documents: Mapping[DocumentKey, Document]) -> Decimal | None:
    document = documents.get(DocumentKey("carrier", carrier))
    if not isinstance(document, Carrier):
        return None
    value = amount * conversion(document.spec.unit, unit)
    exact = CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
    if Fraction(exact) != value:
        raise UnitError(f"one {document.spec.unit} is no finite decimal of a {unit}")
    return exact


def _origin(row: Coefficient | Factor, reference: ReferenceRow) -> dict[str, str | None]:
    source = f"{reference.id} ({', '.join(reference.sources)})"
    return {"source": row.source or source, "confidence": row.confidence or reference.confidence}
