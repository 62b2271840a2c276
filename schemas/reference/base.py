"""A reference row is a dated number with its source, as it stands in one of the packaged tables."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ItemT = TypeVar("ItemT")

Confidence = Literal["verified-2-sources", "one-source", "from-memory"]
FROM_MEMORY = "from-memory"


def _tuple(value: object) -> object:
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004  pydantic takes ValueError for a fault of the field
    return Decimal(value)


Many = Annotated[tuple[ItemT, ...], BeforeValidator(_tuple)]
Number = Annotated[Decimal, BeforeValidator(_number)]
Sources = Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(min_length=1)]


class Strict(BaseModel):
    """The base of every table and row: unknown fields refused, nothing converted silently."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Table(Strict):
    """A table, one file: the month it was put together."""

    version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]


class Sourced(Strict):
    """What says where it comes from and how sure it is."""

    confidence: Confidence
    sources: Sources


# The tables are long: where libyaml is built in they are read ten times as fast.
class TableLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML whose numbers with a point become decimals from their own text, not doubles."""


def _exact(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(loader.construct_scalar(node))


# types-pyyaml leaves the constructor's node untyped, and knows of one base only
cast("Callable[[str, Any], None]", cast("Any", TableLoader).add_constructor)("tag:yaml.org,2002:float", _exact)


@cache
def read(name: str) -> dict[str, Any]:
    """Return a packaged table as plain values, its numbers exact; for looking at, not for changing."""
    text = files("schemas.reference").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=TableLoader)
