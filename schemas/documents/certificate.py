"""A certificate (绿证) proves that what an enterprise bought was green; its number makes sure that it is used once."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Id, PositiveDecimal, Text, Unit, fault
from schemas.windows import WindowError, window


def _period(text: str) -> str:
    try:
        kind = window(text).kind
    except WindowError as error:
        raise fault("bad_period", str(error)) from error
    if kind not in ("month", "year"):
        raise fault("bad_period", f"{text!r} is a {kind}: a certificate is of a month or a year")
    return text


class CertificateSpec(Strict):
    """Whose use of which carrier, in which month or year, is covered by how much, under which number.

    What is metered as renewable, or of a renewable carrier, needs no certificate: it would be deducted twice.
    """

    enterprise: Id
    number: Text
    carrier: Id
    period: Annotated[str, AfterValidator(_period)]
    value: PositiveDecimal
    unit: Unit
    source: Text


class Certificate(Envelope):
    """A green certificate, or some of one number range (绿色电力证书)."""

    kind: Literal["certificate"]
    spec: CertificateSpec
