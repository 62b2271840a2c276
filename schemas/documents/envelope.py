"""A document (登记文件) is one registered thing: its kind, its id, its names, the days it is valid, and its `spec`.

Days are local (Asia/Shanghai) and half-open: valid from the beginning of `valid_from` to the beginning of `valid_to`.
"""

import datetime as dt
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_serializer

from schemas.documents.fields import Day, Id, Text, fault

API_VERSION = "qingyu/v1"


class Strict(BaseModel):
    """The base of every model: unknown fields refused, nothing converted silently, nothing changed afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, serialize_by_alias=True)


class DocumentKey(NamedTuple):
    """What names a document: its kind and its id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


class Name(Strict):
    """The Chinese and the English name of the same thing."""

    zh: Text | None = None
    en: Text | None = None


class Entry(Strict):
    """Something that holds from a local day on, until the next entry of its list begins."""

    from_: Day = Field(alias="from")


class DatedId(Entry):
    """What a document belongs to from a day on; null: from then on to nothing."""

    id: Id | None

    @model_serializer(mode="plain")
    def _with_null(self) -> dict[str, str | None]:
        # Canonical JSON leaves null fields out; here null says something and must stay.
        return {"from": self.from_.isoformat(), "id": self.id}


EntryT = TypeVar("EntryT", bound=Entry)


def _ascending(entries: tuple[EntryT, ...]) -> tuple[EntryT, ...]:
    # Two entries of one day would hold at once, and the order of the list would decide which counts.
    for earlier, later in pairwise(entries):
        if later.from_ == earlier.from_:
            raise fault("overlap", f"two entries begin on {later.from_}: keep one")
        if later.from_ < earlier.from_:
            raise fault("not_sorted", f"{later.from_} stands after {earlier.from_}: sort the entries by day")
    return entries


Ascending = AfterValidator(_ascending)
DatedIds = Annotated[tuple[DatedId, ...], Ascending]


class Envelope(Strict):
    """What the documents of all kinds share; `spec` is the kind's own."""

    apiVersion: Literal["qingyu/v1"]  # noqa: N815  the field is called so in every file
    kind: Any  # each kind narrows it to its own literal
    id: Id
    name: Name = Name()
    valid_from: Day
    valid_to: Day | None = None

    @field_validator("valid_to")
    @classmethod
    def _ends_after_it_begins(cls, valid_to: dt.date | None, info: ValidationInfo) -> dt.date | None:
        valid_from: dt.date | None = info.data.get("valid_from")
        if valid_to is not None and valid_from is not None and valid_to <= valid_from:
            raise fault("empty_range", f"valid_to {valid_to} is not after valid_from {valid_from}")
        return valid_to

    @property
    def key(self) -> DocumentKey:
        """The kind and the id."""
        return DocumentKey(self.kind, self.id)
