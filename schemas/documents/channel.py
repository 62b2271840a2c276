"""A channel (渠道) is a way to a recipient: a mailbox, a webhook, a group robot, a telephone, or what apprise knows.

What lets one speak there (a robot's token, a signing key, a telephone number) is a secret and stands here by its name.
"""

import re
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.envelope import Strict
from schemas.documents.fields import Id, fault
from schemas.ids import ID_TEXT

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


SecretRef = Annotated[str, AfterValidator(_secret), Field(json_schema_extra={"pattern": f"^{SECRET_PREFIX}{ID_TEXT}$"})]
Url = Annotated[str, AfterValidator(_url), Field(max_length=MAX_URL_LENGTH, json_schema_extra={"format": "uri"})]
Address = Annotated[str, AfterValidator(_address), Field(max_length=254, json_schema_extra={"format": "email"})]

ChannelName = Literal["webhook", "mail", "dingtalk", "wecom", "feishu", "sms", "apprise"]
CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)


class Webhook(Strict):
    """An address that events are POSTed to; `secret` names the key that they are signed with."""

    url: Url
    secret: SecretRef


class Mail(Strict):
    """A mailbox."""

    address: Address


class DingTalk(Strict):
    """A robot of a DingTalk group (钉钉): `robot` names its access token, `secret` its signing key (加签).

    Without `secret` the robot must ask for a keyword instead (晴雨 or Qingyu, as titles begin), or know our address.
    """

    robot: SecretRef
    secret: SecretRef | None = None


class WeCom(Strict):
    """A robot of a WeCom group (企业微信): `robot` names the `key` of its address."""

    robot: SecretRef


class Feishu(Strict):
    """A robot of a Feishu group (飞书): `robot` names the last part of its address, `secret` its signing key (签名)."""

    robot: SecretRef
    secret: SecretRef | None = None


class Sms(Strict):
    """A telephone that is written to through an SMS gateway, a document of kind `sms`; `phone` names its number."""

    gateway: Id
    phone: SecretRef


class Apprise(Strict):
    """Whatever apprise can reach; `url` names an address of apprise's, which holds secrets as a rule."""

    url: SecretRef


class Channels(Strict):
    """The ways to a recipient."""

    webhook: Webhook | None = None
    mail: Mail | None = None
    dingtalk: DingTalk | None = None
    wecom: WeCom | None = None
    feishu: Feishu | None = None
    sms: Sms | None = None
    apprise: Apprise | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if not self.names:
            raise fault("missing", f"a recipient without a channel hears nothing: give one of {', '.join(CHANNELS)}")
        return self

    @property
    def names(self) -> tuple[ChannelName, ...]:
        """The names of the channels that are there."""
        return tuple(name for name in CHANNELS if getattr(self, name) is not None)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that are needed to speak on these channels, as `secret:NAME`."""
        found = [value for name in self.names for _, value in getattr(self, name)]
        return tuple(value for value in found if isinstance(value, str) and value.startswith(SECRET_PREFIX))
