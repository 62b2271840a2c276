"""Ids name entities and documents: `kind/id`, immutable and never reused.

An id matches `[a-z0-9][a-z0-9-]{0,39}`. A meter's id is `ENTERPRISE.METER`, where METER is the meter's id within its
enterprise. Keys of several parts are joined by `|`, which no id can contain.
"""

import re
from typing import NamedTuple

ID_TEXT = r"[a-z0-9][a-z0-9-]{0,39}"
ID_PATTERN = re.compile(ID_TEXT)
METER_ID_PATTERN = re.compile(rf"({ID_TEXT})\.({ID_TEXT})")

TERRITORY_KINDS = ("park", "county", "city", "province", "industry", "list")
ENTITY_KINDS = ("meter", "enterprise", *TERRITORY_KINDS)
# Has no numbers, only alarms: `source/ENTERPRISE.SOURCE`, where SOURCE is the id of the source's document.
SOURCE = "source"


class IdError(ValueError):
    """A text is no id or no entity; the message says which text and what an id looks like."""


class Entity(NamedTuple):
    """Whatever a number is about (对象): its kind and its id within the kind."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


def check_id(text: str) -> str:
    """Return `text` when it is an id; raise IdError otherwise."""
    if ID_PATTERN.fullmatch(text) is None:
        raise IdError(f"{text!r} is no id: 1 to 40 of a-z, 0-9 and '-', the first no '-'")
    return text


def split_meter_id(text: str) -> tuple[str, str]:
    """Return (enterprise id, meter id within it) of `ENTERPRISE.METER`; raise IdError otherwise."""
    found = METER_ID_PATTERN.fullmatch(text)
    if found is None:
        raise IdError(f"{text!r} is no meter id: it reads ENTERPRISE.METER, both of a-z, 0-9 and '-'")
    return found[1], found[2]


def parse_entity(text: str) -> Entity:
    """Return the entity that `kind/id` names; raise IdError when the kind is not known or the id is none."""
    kind, slash, id_ = text.partition("/")
    if not slash or kind not in (*ENTITY_KINDS, SOURCE):
        raise IdError(f"{text!r} is no entity: it reads KIND/ID with KIND one of {', '.join(ENTITY_KINDS)}")
    if kind in ("meter", SOURCE):
        split_meter_id(id_)
    else:
        check_id(id_)
    return Entity(kind, id_)


def enterprise_of(entity: str) -> str | None:
    """Return the enterprise id of an enterprise, or of a meter or source of one, None for any other entity."""
    kind, _, id_ = entity.partition("/")
    if kind == "enterprise":
        return id_
    if kind in ("meter", SOURCE):
        return id_.partition(".")[0]
    return None


def key_of(*parts: str) -> str:
    """Join the parts of a key by `|`."""
    return "|".join(parts)
