"""Parsing turns what stands in a file or a request into a document, or into all the faults it has."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json, to_json

from schemas.documents.allocation import Allocation
from schemas.documents.certificate import Certificate
from schemas.documents.energy import Carrier, Measurement, Product, Release
from schemas.documents.enterprise import Enterprise, Key, Source
from schemas.documents.escalation import Escalation
from schemas.documents.exchange import Exchange
from schemas.documents.indicator import Indicator, Limit
from schemas.documents.meter import Meter
from schemas.documents.notification import Recipient, Route
from schemas.documents.pause import Outage, Stop
from schemas.documents.reported import ReportedItem
from schemas.documents.roster import Roster
from schemas.documents.rule import Rule
from schemas.documents.season import Season
from schemas.documents.settings import Settings
from schemas.documents.sms import SmsGateway
from schemas.documents.target import Profile, Target
from schemas.documents.template import Template
from schemas.documents.territory import City, County, EnterpriseList, Industry, Park, Province
from schemas.documents.validation import Validation

Document = (
    Province
    | City
    | County
    | Park
    | Industry
    | EnterpriseList
    | Enterprise
    | Source
    | Meter
    | Exchange
    | Outage
    | Stop
    | Carrier
    | Release
    | Measurement
    | Certificate
    | Product
    | Allocation
    | ReportedItem
    | Indicator
    | Limit
    | Rule
    | Target
    | Profile
    | Season
    | Settings
    | Validation
    | Key
    | Recipient
    | Route
    | Roster
    | Escalation
    | SmsGateway
    | Template
)

KINDS: dict[str, type[Document]] = {
    "province": Province,
    "city": City,
    "county": County,
    "park": Park,
    "industry": Industry,
    "list": EnterpriseList,
    "enterprise": Enterprise,
    "source": Source,
    "meter": Meter,
    "exchange": Exchange,
    "outage": Outage,
    "stop": Stop,
    "carrier": Carrier,
    "release": Release,
    "measurement": Measurement,
    "certificate": Certificate,
    "product": Product,
    "allocation": Allocation,
    "reported": ReportedItem,
    "indicator": Indicator,
    "limit": Limit,
    "rule": Rule,
    "target": Target,
    "profile": Profile,
    "season": Season,
    "settings": Settings,
    "validation": Validation,
    "key": Key,
    "recipient": Recipient,
    "route": Route,
    "roster": Roster,
    "escalation": Escalation,
    "sms": SmsGateway,
    "template": Template,
}

# pydantic's names of errors that have one of ours; what is not here is bad_value, our own codes pass through.
_CODES = {"missing": "missing", "extra_forbidden": "unknown_field"}
_NO_FIELDS = ("function-", "constrained-", "[key]")
_PLAIN_MESSAGES = {
    "missing": "this field is needed",
    "extra_forbidden": "this field is not known here: is it misspelt?",
}


class Fault(NamedTuple):
    """One fault of a document: where it is (`spec.tiers.0.max`), a stable code, and what to do."""

    path: str
    code: str
    message: str


def _fault(error: ErrorDetails) -> Fault:
    kind = error["type"]
    own = error.get("ctx", {}).keys() == {"message"}
    code = kind if own else _CODES.get(kind, "bad_value")
    # In pydantic's location the branches of a union follow the field's name, and `[key]` the name of a mapping's wrong
    # key; a reader of the file has no such field.
    place = ".".join(str(part) for part in error["loc"] if not str(part).startswith(_NO_FIELDS))
    return Fault(place, code, _PLAIN_MESSAGES.get(kind, error["msg"]))


def parse_document(raw: object) -> Document | list[Fault]:
    """Return the document that a value read from YAML or JSON describes, or every fault of it."""
    if not isinstance(raw, Mapping):
        message = f"a document is a mapping with apiVersion, kind, id, valid_from and spec, not a {type(raw).__name__}"
        return [Fault("", "not_a_document", message)]
    kind = cast("Mapping[str, object]", raw).get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        said = "kind is missing" if kind is None else f"kind {kind!r} is not known"
        return [Fault("kind", "unknown_kind", f"{said}: the kinds are {', '.join(KINDS)}")]
    try:
        return model.model_validate_json(to_json(raw, inf_nan_mode="constants"))
    except ValidationError as error:
        return faults_of(error)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        return [Fault("", "bad_value", f"the document holds something that JSON cannot: {error}")]


def faults_of(error: ValidationError) -> list[Fault]:
    """Return the distinct faults that pydantic found, each at its path, with a stable code."""
    return list(dict.fromkeys(_fault(detail) for detail in error.errors(include_url=False, include_input=False)))


def canonical(document: Document) -> bytes:
    """Return the JSON of a document in one fixed form: equal documents, equal bytes."""
    return document.model_dump_json(exclude_none=True).encode()


def load_document(data: bytes, kind: str | None = None) -> Document:
    """Return the document that `canonical` wrote; raise ValueError when it is none (pydantic's error is one).

    Whoever knows the kind, from the record's key, spares reading the bytes twice by giving it.
    """
    kind = from_json(data).get("kind") if kind is None else kind
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not known: the kinds are {', '.join(KINDS)}")
    return KINDS[kind].model_validate_json(data)
