"""An SMS gateway (短信网关) is a provider's HTTP interface, told by what is sent to it and what it answers.

What is sent are templates, filled in for each message: `phone`, `title` (one line, cut), `link`, `key`, `language` and
`secret.NAME` for each of its secrets. A value that is filled into JSON or a form stays a value, whatever stands in it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.channel import SecretRef, Url
from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import fault
from schemas.templating import TemplateFaultError, check

# Headers that the sending itself makes; one that a document made too would contradict it.
_OWN_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "idempotency-key")

# What JSON holds; its texts are templates.
Value = Any


def _pattern(texts: dict[str, str]) -> dict[str, str]:
    for name in texts:
        if not name.isascii() or not name.isidentifier():
            raise fault("bad_name", f"{name!r} is no name of a secret here: write letters, digits and _")
    return texts


def _headers(texts: dict[str, str]) -> dict[str, str]:
    for name in texts:
        if not name.isascii() or not name.replace("-", "").isalnum() or name.lower() in _OWN_HEADERS:
            raise fault("bad_name", f"{name!r} is no header that may be set here")
    return texts


class Success(Strict):
    """What of the answer's JSON says that the message was taken: one of `values` at `field`, as `data.code`.

    `limited` and `auth` are the values that ask for a pause, and that say that we are not known; any other is refused.
    """

    field: Annotated[str, Field(min_length=1, max_length=100)]
    values: Annotated[tuple[str, ...], Field(min_length=1)]
    limited: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()


class SmsSpec(Strict):
    """What is sent (`json` or `form`, and `query`), and how the answer is read: by its status alone without `success`.

    `title_characters` is where a title is cut.
    """

    url: Url
    method: Literal["POST", "GET"] = "POST"
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = {}
    query: dict[str, str] = {}
    form: dict[str, str] | None = None
    json_: Value | None = Field(alias="json", default=None)
    secrets: Annotated[dict[str, SecretRef], AfterValidator(_pattern)] = {}
    success: Success | None = None
    title_characters: Annotated[int, Field(ge=20, le=1000)] = 60

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> Self:
        if self.form is not None and self.json_ is not None:
            raise fault("bad_value", "json and form are two bodies: give one of them")
        sample = fields(
            phone="13800000000", title="晴雨", link="https://x.example", key="k|1", language="zh",
            secrets={name: "s" for name in self.secrets},
        )  # fmt: skip
        for path, text in self._texts():
            try:
                check(text, [sample])
            except TemplateFaultError as error:
                raise fault("bad_template", f"{path}: {error}") from error
        if not any("phone" in text for _, text in self._texts()):
            raise fault("missing", "the telephone number is sent nowhere: write {{ phone }} where the gateway wants it")
        return self

    def _texts(self) -> list[tuple[str, str]]:
        found = [("headers." + name, text) for name, text in self.headers.items()]
        found += [("query." + name, text) for name, text in self.query.items()]
        found += [("form." + name, text) for name, text in (self.form or {}).items()]
        return found + list(_leaves("json", self.json_))


class SmsGateway(Envelope):
    """An SMS gateway (短信网关)."""

    kind: Literal["sms"]
    spec: SmsSpec


def fields(*, phone: str, title: str, link: str, key: str, language: str, secrets: dict[str, str]) -> dict[str, Any]:
    """Return what a gateway's templates are filled in with."""
    return {"phone": phone, "title": title, "link": link, "key": key, "language": language, "secret": secrets}


def _leaves(path: str, value: Value) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in _leaves(f"{path}.{name}", inner)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [leaf for place, inner in enumerate(value) for leaf in _leaves(f"{path}.{place}", inner)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return []
