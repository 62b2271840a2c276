"""A notification (通知) is an alarm told to somebody: recipients have channels, routes say what goes to whom."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import EntityText, Id, fault
from schemas.documents.indicator import EntityKind, Severity, check_ids
from schemas.ids import ID_TEXT

Language = Literal["zh", "en"]
AlarmCondition = Literal["pending", "firing", "established", "ok", "withdrawn"]

SECRET_PREFIX = "secret:"
MAX_URL_LENGTH = 2000
# A local part and a domain of at least one letter or digit each; no blank, no bracket, no sign that heads a header.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PRINTABLE = re.compile(r"[!-~]+")


def _secret(text: str) -> str:
    if re.fullmatch(SECRET_PREFIX + ID_TEXT, text) is None:
        # What was written here may be the secret itself, so it is not repeated.
        message = "a document holds no secret, only its name: write secret:NAME, NAME of a-z, 0-9 and '-'"
        raise fault("plain_secret", message)
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or _PRINTABLE.fullmatch(text) is None:
        raise fault("bad_url", "write an address such as https://host.example/path, of printable ASCII only")
    if parts.username is not None or parts.password is not None:
        raise fault("plain_secret", "the address holds a user or a password: a document holds no secret")
    if parts.fragment:
        raise fault("bad_url", "the address has a part after '#', which is never sent: leave it out")
    return text


def _address(text: str) -> str:
    if _ADDRESS.fullmatch(text) is None or ".." in text:
        raise fault("bad_address", f"{text!r} is no mail address: one address of ASCII, such as duty@city.example")
    return text


def _not_empty(found: tuple[str, ...]) -> tuple[str, ...]:
    if not found:
        raise fault("missing", "an empty list would mean nobody and nothing: name one, or leave the field out")
    return found


NotEmpty = AfterValidator(_not_empty)
SecretRef = Annotated[str, AfterValidator(_secret), Field(json_schema_extra={"pattern": f"^{SECRET_PREFIX}{ID_TEXT}$"})]
Url = Annotated[str, AfterValidator(_url), Field(max_length=MAX_URL_LENGTH, json_schema_extra={"format": "uri"})]
Address = Annotated[str, AfterValidator(_address), Field(max_length=254, json_schema_extra={"format": "email"})]


class Webhook(Strict):
    """An address that events are POSTed to; `secret` names the key that they are signed with."""

    url: Url
    secret: SecretRef


class Mail(Strict):
    """A mailbox."""

    address: Address


class Channels(Strict):
    """The ways to a recipient; an event goes out on each of them."""

    webhook: Webhook | None = None
    mail: Mail | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if not self.names:
            raise fault("missing", "a recipient without a channel hears nothing: give webhook, mail or both")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels that are there."""
        return tuple(name for name in ("webhook", "mail") if getattr(self, name) is not None)


class RecipientSpec(Strict):
    """How the recipient is reached, and the language of what is written to people."""

    channels: Channels
    language: Language = "zh"


class Recipient(Envelope):
    """Somebody who is told (接收人): a duty room, a person, another system."""

    kind: Literal["recipient"]
    spec: RecipientSpec


class Scope(Strict):
    """Which entities a route is about: of a kind, of some ids of that kind, within an entity (itself included)."""

    kind: EntityKind | None = None
    id: Annotated[tuple[str, ...], NotEmpty] | None = None
    in_: EntityText | None = Field(alias="in", default=None)

    @model_validator(mode="after")
    def _ids_fit_the_kind(self) -> Self:
        if self.kind is not None:
            check_ids(self.kind, self.id)
        elif self.id is not None:
            raise fault("missing", "ids are of a kind: write kind as well")
        return self


class RouteSpec(Strict):
    """Which events go to which recipients; what is left out restricts nothing.

    `rules` and `limits` together are the rules and limits that are meant. An event that ends an alarm follows the
    route whatever its severity, and goes only to those who were told of the alarm.
    """

    select: Scope | None = None
    severity: Annotated[tuple[Severity, ...], NotEmpty] | None = None
    condition: Annotated[tuple[AlarmCondition, ...], NotEmpty] | None = None
    rules: tuple[Id, ...] = ()
    limits: tuple[Id, ...] = ()
    recipients: Annotated[tuple[Id, ...], NotEmpty]


class Route(Envelope):
    """A route (路由): events of alarms on their way to recipients."""

    kind: Literal["route"]
    spec: RouteSpec
