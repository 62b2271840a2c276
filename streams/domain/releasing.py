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

    def take(path: str, row: Coefficient | Factor, quantity: Literal["kgce", "kgCO2"], stated: Decimal | None) -> bool:
        problem = _against(path, row, quantity, stated, documents)
        if problem is not None:
            code, where, message = problem
            problems.append(Problem(release.key, DocumentKey("carrier", row.carrier), where, code, message))
        return problem is None

    coefficients: list[Coefficient] = []
    for place, row in enumerate(release.spec.coefficients):
        if row.reference is not None and take(f"spec.coefficients.{place}", row, "kgce", row.cv_kgce):
            reference = load().rows[row.reference]
            value = row.cv_kgce if row.cv_kgce is not None else _value(reference, row.carrier, documents)
            row = row.model_copy(update={"cv_kgce": value, **_origin(row, reference)})
        coefficients.append(row)
    factors: list[Factor] = []
    for place, row in enumerate(release.spec.factors):
        if row.reference is not None and take(f"spec.factors.{place}", row, "kgCO2", row.kg):
            reference = load().rows[row.reference]
            value = row.kg if row.kg is not None else _value(reference, row.carrier, documents)
            row = row.model_copy(update={"kg": value, **_origin(row, reference)})
        factors.append(row)
    spec = release.spec.model_copy(update={"coefficients": tuple(coefficients), "factors": tuple(factors)})
    return release.model_copy(update={"spec": spec}), problems


def check_forced(release: Release) -> Iterator[Problem]:
    """Yield a problem for each row that is undated or from memory in a release that does not say `forced`."""
    if release.spec.forced:
        return
    rows = load().rows
    for name, group in (("coefficients", release.spec.coefficients), ("factors", release.spec.factors)):
        for place, row in enumerate(group):
            reference = None if row.reference is None else rows.get(row.reference)
            from_memory = row.confidence == FROM_MEMORY
            if from_memory or (reference is not None and reference.reference_only):
                why = "is from memory" if from_memory or reference is None or reference.date else "has no date"
                message = f"the number of {row.carrier} {why}: check it, or say forced: true to use it all the same"
                path = f"spec.{name}.{place}"
                yield Problem(release.key, DocumentKey("carrier", row.carrier), path, "needs_force", message)


def _against(
    path: str,
    row: Coefficient | Factor,
    quantity: Literal["kgce", "kgCO2"],
    stated: Decimal | None,
    documents: Mapping[DocumentKey, Document],
) -> tuple[str, str, str] | None:
    """Return code, path and message of what stands against taking a reference row over, None when nothing does."""
    reference = load().rows.get(row.reference or "")
    if reference is None:
        message = f"{row.reference!r} is no row of the reference tables: it reads TABLE/SECTION/ID"
        return "unknown_reference", f"{path}.reference", message
    if reference.quantity != quantity:
        message = f"{reference.id} is in {reference.quantity}, {quantity} is wanted here"
        return "unit_mismatch", f"{path}.reference", message
    try:
        value = _value(reference, row.carrier, documents)
    except UnitError as error:
        return "unit_mismatch", f"{path}.reference", f"{reference.id} does not fit carrier {row.carrier}: {error}"
    if value is None:
        # Without its carrier there is no unit; that the carrier is not registered is said at the carrier.
        return None
    if stated is not None and stated != value:
        message = f"{plain_text(stated)} is stated, but {reference.id} says {plain_text(value)}: leave one of them out"
        return "differs_from_reference", path, message
    return None


def _value(reference: ReferenceRow, carrier: str, documents: Mapping[DocumentKey, Document]) -> Decimal | None:
    """Return a reference row's number for one unit of a carrier; None when the carrier is not there."""
    document = documents.get(DocumentKey("carrier", carrier))
    if not isinstance(document, Carrier):
        return None
    value = reference.value * conversion(document.spec.unit, reference.unit)
    exact = CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
    if Fraction(exact) != value:
        raise UnitError(f"one {document.spec.unit} is no finite decimal of a {reference.unit}")
    return exact


def _origin(row: Coefficient | Factor, reference: ReferenceRow) -> dict[str, str | None]:
    source = f"{reference.id} ({', '.join(reference.sources)})"
    return {"source": row.source or source, "confidence": row.confidence or reference.confidence}
