"""An enterprise (企业) owns meters and belongs to territories; its sources send readings, its keys let people in."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.envelope import DatedIds, Entry, Envelope, Strict
from schemas.documents.fields import Code, Day, EntityText, Id, fault
from schemas.ids import TERRITORY_KINDS, parse_entity

# One gateway process takes about ten thousand readings a second; a single collector may use a fifth of that.
DEFAULT_RATE_LIMIT_PER_S = 2000


class Listed(Entry):
    """A list that an enterprise stands on from a day on, until `to` or for good."""

    id: Id
    to: Day | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.to is not None and self.to <= self.from_:
            raise fault("empty_range", f"to {self.to} is not after from {self.from_}")
        return self


def _apart(lists: tuple[Listed, ...]) -> tuple[Listed, ...]:
    # An enterprise may stand on many lists at once, so equal days are legal here; on the same list twice is not.
    for earlier, later in pairwise(sorted(lists, key=lambda each: (each.id, each.from_))):
        if earlier.id == later.id and (earlier.to is None or earlier.to > later.from_):
            raise fault("overlap", f"list {later.id} is named twice for {later.from_}: end the earlier entry with to")
    return lists


class EnterpriseSpec(Strict):
    """The unified social credit code and, dated, where the enterprise belongs."""

    code: Code | None = None
    industry: DatedIds = ()
    county: DatedIds = ()
    park: DatedIds = ()
    lists: Annotated[tuple[Listed, ...], AfterValidator(_apart)] = ()


class Enterprise(Envelope):
    """An enterprise (企业)."""

    kind: Literal["enterprise"]
    spec: EnterpriseSpec = EnterpriseSpec()


class SourceSpec(Strict):
    """Whose collector it is and how many readings it may send [1/s]."""

    enterprise: Id
    rate_limit_per_s: Annotated[int, Field(gt=0, le=1_000_000)] = DEFAULT_RATE_LIMIT_PER_S


class Source(Envelope):
    """A data collector of one enterprise (数采仪, 端设备)."""

    kind: Literal["source"]
    spec: SourceSpec


class KeySpec(Strict):
    """The SHA-256 of a bearer token, what its holder may do, and about whom."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    role: Literal["source", "enterprise", "viewer", "operator"]
    subject: EntityText | Id | None = None
    revoked: bool = False

    @model_validator(mode="after")
    def _subject_fits_role(self) -> Self:
        if self.role in ("source", "enterprise"):
            if self.subject is None or "/" in self.subject:
                raise fault("bad_subject", f"a key of role {self.role} needs the id of its {self.role} as subject")
        elif self.role == "operator":
            if self.subject is not None:
                raise fault("bad_subject", "an operator's key has no subject: it may do everything")
        elif self.subject is not None and (
            "/" not in self.subject or parse_entity(self.subject).kind not in TERRITORY_KINDS
        ):
            raise fault("bad_subject", "a viewer's subject is a territory such as city/bazhong, or null for all")
        return self


class Key(Envelope):
    """A credential (密钥): only its hash is kept."""

    kind: Literal["key"]
    spec: KeySpec
