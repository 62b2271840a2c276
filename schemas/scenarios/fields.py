"""The fields of a story: times, windows, values and documents as its author writes them, checked where they stand."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from schemas.documents.fields import DecimalText, fault
from schemas.scenarios.notation import (
    NotationError,
    parse_instant,
    parse_instants,
    parse_sent,
    parse_window,
    parse_worth,
)
from schemas.windows import WindowError

_ANY_DAY = dt.date(2000, 1, 1)
_TEXT_OR_NUMBER = {"anyOf": [{"type": "string"}, {"type": "number"}]}


def _text(value: Any) -> Any:
    # A whole number stands without quotes; all others are text already, as the file's reader keeps every digit.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked(code: str, check: Callable[[str], Any]) -> AfterValidator:
    def run(text: str) -> str:
        try:
            check(text)
        except (NotationError, WindowError) as error:
            raise fault(code, str(error)) from error
        return text

    return AfterValidator(run)


def _values(value: Any) -> Any:
    return tuple(_text(one) for one in cast("list[Any]", value)) if isinstance(value, list) else (_text(value),)


def _document(raw: dict[str, Any]) -> dict[str, Any]:
    for name in ("kind", "id"):
        if not isinstance(raw.get(name), str):
            raise fault("not_a_document", f"a document says its {name} in text, such as kind: meter, id: works.e01")
    return raw


def _or_the_word_none(schema: dict[str, Any]) -> None:
    array = {name: schema.pop(name) for name in ("items", "type") if name in schema}
    schema["anyOf"] = [array, {"const": "none"}]


def listed(value: Any) -> Any:
    """Return a list that may be the word `none` instead."""
    # What a function has seen is no JSON to pydantic any more, and only a tuple is a tuple then.
    return () if value == "none" else tuple(cast("list[Any]", value)) if isinstance(value, list) else value


MomentText = Annotated[str, _checked("bad_time", parse_instant)]
TimeText = Annotated[str, _checked("bad_time", lambda text: parse_instant(text, _ANY_DAY))]
RunText = Annotated[str, _checked("bad_time", lambda text: parse_instants(text, _ANY_DAY))]
WindowText = Annotated[str, _checked("bad_window", lambda text: parse_window(text, _ANY_DAY))]
SentText = Annotated[str, _checked("bad_value", parse_sent)]
SentValue = Annotated[SentText, BeforeValidator(_text), WithJsonSchema(_TEXT_OR_NUMBER)]
SentValues = Annotated[
    tuple[SentText, ...],
    BeforeValidator(_values),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [*_TEXT_OR_NUMBER["anyOf"], {"type": "array", "items": _TEXT_OR_NUMBER}]}),
]
WorthText = Annotated[
    str,
    BeforeValidator(lambda value: "null" if value is None else _text(value)),
    _checked("bad_value", parse_worth),
    WithJsonSchema({"anyOf": [*_TEXT_OR_NUMBER["anyOf"], {"type": "null"}]}),
]
Amount = Annotated[DecimalText, WithJsonSchema(_TEXT_OR_NUMBER)]
OR_NONE = Field(json_schema_extra=_or_the_word_none)
LongText = Annotated[str, Field(min_length=1, max_length=4000)]
Entity = Annotated[str, Field(min_length=1, max_length=90)]
Raw = Annotated[
    dict[str, Any],
    AfterValidator(_document),
    WithJsonSchema({"type": "object", "required": ["kind", "id"], "description": "A registry document (登记文件)."}),
]
