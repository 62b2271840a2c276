"""An allocation (分摊) names the product lines of an enterprise and the key by which what they use together is divided.

GB/T 2589-2020 has the energy of a product made of what is used for it alone and of its part of what is used in common
(auxiliary and attached systems, losses); where one process makes several products, GB/T 12723 divides by declared
shares or by output, counted in an equivalent product.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from schemas.documents.envelope import Envelope, Name, Strict
from schemas.documents.fields import Id, NonNegativeDecimal, PositiveDecimal, Text, fault, plain_text
from schemas.documents.meter import MeterId

Key = Literal["shares", "outputs"]


class Made(Strict):
    """A product that a line makes: by how much a unit of it counts in an output key, or its share of the line."""

    id: Id
    weight: PositiveDecimal = Decimal(1)
    share: NonNegativeDecimal | None = None


def _once(products: tuple[Made, ...]) -> tuple[Made, ...]:
    _no_two((each.id for each in products), "product")
    shares = [each.share for each in products if each.share is not None]
    if shares and len(shares) < len(products):
        raise fault(
            "missing", "one product of the line has a share and another has none: give all of them one, or none"
        )
    if shares:
        _check_sum(shares, "the shares of the line's products")
    return products


def _no_two(ids: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise fault("duplicate", f"{what} {each} is named twice: keep one")
        seen.add(each)


def _check_sum(shares: Iterable[Decimal], what: str) -> None:
    whole = sum(shares, Decimal(0))
    if whole != 1:
        raise fault(
            "shares_not_one",
            f"{what} add up to {plain_text(whole)}, not to exactly 1: correct them, or declare the rest as unallocated",
        )


class Line(Strict):
    """A product line: the meters that measure it alone, what it makes, and its share of what is used in common.

    Its energy is the sum of its meters (outputs count with a minus) and its part of the common energy. A line without
    meters has only such a part, one without products (offices, a canteen) makes none. The energy of a line with
    several products is divided between them by their shares, or where they have none by output times `weight`.
    """

    id: Id
    name: Name = Name()
    meters: tuple[MeterId, ...] = ()
    products: Annotated[tuple[Made, ...], AfterValidator(_once)] = ()
    share: NonNegativeDecimal | None = None

    @property
    def by_output(self) -> bool:
        """Whether the outputs of its products decide how its energy is divided between them."""
        return len(self.products) > 1 and self.products[0].share is None


class AllocationSpec(Strict):
    """Whose lines, and how the common energy is divided: what crosses the boundary and no line's meters measured.

    `shares`: fixed ones, which with `unallocated` (what is declared as no line's) add up to exactly 1. `outputs`: by
    the reported output of each line's products times their `weight` (折算系数), for the windows in which all are known.
    """

    enterprise: Id
    key: Key
    lines: tuple[Line, ...]
    unallocated: NonNegativeDecimal | None = None
    source: Text

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _no_two((line.id for line in self.lines), "line")
        owner: dict[str, str] = {}
        for line in self.lines:
            for meter in line.meters:
                if meter in owner:
                    message = f"meter {meter} is of line {owner[meter]} already: its energy would be counted twice"
                    raise fault("counted_twice", f"{message}; leave it to one line, or to the common energy")
                owner[meter] = line.id
        if self.key == "shares":
            self._check_shares()
        else:
            self._check_outputs()
        self._check_products()
        return self

    def _check_shares(self) -> None:
        for line in self.lines:
            if line.share is None:
                raise fault("missing", f"line {line.id} has no share, and the key is shares: write it, 0 for none")
        shares = [line.share for line in self.lines if line.share is not None]
        _check_sum((*shares, self.unallocated or Decimal(0)), "the shares of the lines and unallocated")

    def _check_outputs(self) -> None:
        if self.unallocated is not None or any(line.share is not None for line in self.lines):
            raise fault("unknown_field", "by outputs all of it is divided: leave out share and unallocated")
        if not any(line.products for line in self.lines):
            raise fault("missing", "no line makes a product, so there is no output to divide by: name products")

    def _check_products(self) -> None:
        maker: dict[str, Line] = {}
        for line in self.lines:
            for product in line.products:
                other = maker.setdefault(product.id, line)
                if other is not line and (self.key == "outputs" or line.by_output or other.by_output):
                    raise fault(
                        "output_of_two_lines",
                        f"lines {other.id} and {line.id} make {product.id}, whose output is reported as a whole: "
                        "divide by shares, or register a product for each line",
                    )


class Allocation(Envelope):
    """The product lines (产品线) of an enterprise and their allocation key (分摊系数), on the days it is valid."""

    kind: Literal["allocation"]
    spec: AllocationSpec
