"""The registry over HTTP: `POST /v1/registry` puts a set in, `GET /v1/registry/{kind}[/{id}]` shows documents."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.documents import KINDS, Document, DocumentKey, canonical
from services.api.access import Reader, operator, reader
from services.api.answers import DocumentAnswer, DocumentsAnswer, SetAnswer
from services.api.asking import PAGE, Cursor, Limit, json_answer, page
from services.api.fenced import NotWrittenError
from services.api.registry_writer import BaseMovedError, InvalidSetError
from services.http import problem
from services.http.problem import Problem, unavailable
from streams.domain.registration import SetFault

# A hundred thousand meters are 40 MB; what is larger is sent in parts.
SET_LIMIT_BYTES = 128 << 20

router = APIRouter(tags=["registry"])


class _Set(msgspec.Struct):
    documents: list[dict[str, Any]]
    base: int | None = None
    why: str = ""


_decode = msgspec.json.Decoder(_Set).decode
_SET_EXAMPLE = {
    "base": 0,
    "why": "first enterprise",
    "documents": [
        {
            "apiVersion": "qingyu/v1",
            "kind": "enterprise",
            "id": "bz-steel",
            "name": {"zh": "示范钢厂", "en": "Demo Steel"},
            "valid_from": "2018-01-01",
            "spec": {},
        }
    ],
}
_SET_SCHEMA = {
    "type": "object",
    "required": ["documents"],
    "properties": {
        "base": {"type": "integer", "minimum": 0, "description": "The version the set was made from (or If-Match)."},
        "documents": {"type": "array", "items": {"type": "object"}},
        "why": {"type": "string", "description": "Kept in the registry's log."},
    },
}


@router.post(
    "/v1/registry",
    summary="Put a set of documents into the registry, all or nothing",
    response_model=SetAnswer,
    responses=problem.answers(
        _409="The registry has moved on from `base`: `version` says where to. Nothing was written.",
        _422="Every fault of the set, as `errors`. Nothing was written.",
        _428="Neither `base` nor If-Match was given.",
        _503="Kafka did not take the set; get the version before repeating.",
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _SET_SCHEMA, "example": _SET_EXAMPLE}},
        }
    },
)
async def put_set(
    request: Request,
    caller: Annotated[Reader, Depends(operator)],
    dry_run: Annotated[bool, Query(description="Check everything, write nothing.")] = False,
) -> Response:
    """Validate the documents together with those registered and write them in one transaction.

    Documents that stand in the registry just so already are passed over; a set of such only writes nothing and keeps
    the version. Only operators.
    """
    # Read by hand, after the token was checked: who may not write does not fill the memory.
    body = _read_set(await request.body())
    base = _base(request, body.base)
    by = f"key/{caller.principal.key}" if caller.principal.key else str(caller.principal)
    try:
        written = await request.app.state.api.writer.write(base, body.documents, by=by, why=body.why, dry_run=dry_run)
    except BaseMovedError as error:
        raise Problem(
            409, "base_moved", f"{error}: compare again and send it with that base", version=error.version
        ) from error
    except InvalidSetError as error:
        raise _invalid(error.faults, body.documents) from error
    except NotWrittenError as error:
        raise unavailable(f"{error}; ask for the registry's version before repeating the set") from error
    answer: dict[str, Any] = {
        "version": written.version,
        "created": written.created,
        "changed": written.changed,
        "ended": written.ended,
    }
    if written.warnings:
        answer["warnings"] = _told(written.warnings, body.documents)
    return json_answer(answer, _etag(written.version))


@router.get("/v1/registry/{kind}", summary="The documents of a kind", response_model=DocumentsAnswer)
def list_documents(
    request: Request, caller: Annotated[Reader, Depends(reader)], kind: str, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """Return the documents of a kind that the caller may see, by id. The ETag is the registry's version."""
    _known(kind)
    documents = caller.snapshot.documents
    keys = sorted(key for key, one in documents.items() if key.kind == kind and caller.sees_document(one))
    shown, following = page(keys, [key.id for key in keys], cursor, limit)
    return json_answer(
        {"items": [_plain(documents[key]) for key in shown], "next": following, "version": caller.snapshot.version},
        _etag(caller.snapshot.version),
    )


@router.get("/v1/registry/{kind}/{id}", summary="One document", response_model=DocumentAnswer)
def get_document(request: Request, caller: Annotated[Reader, Depends(reader)], kind: str, id: str) -> Response:
    """Return a document as it stands at the registry's version. The ETag is that version, fit for If-Match."""
    _known(kind)
    document = caller.snapshot.documents.get(DocumentKey(kind, id))
    if document is not None and not caller.sees_document(document):
        raise Problem(403, "forbidden", f"{kind}/{id} is not within what this token may read")
    if document is None:
        raise Problem(404, "unknown_document", f"{kind}/{id} is not registered")
    return json_answer(
        {"version": caller.snapshot.version, "document": _plain(document)}, _etag(caller.snapshot.version)
    )


def _plain(document: Document) -> msgspec.Raw:
    return msgspec.Raw(canonical(document))


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise Problem(404, "unknown_kind", f"kind {kind[:60]!r} is not known: the kinds are {', '.join(KINDS)}")


def _etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def _read_set(body: bytes) -> _Set:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        _, _, path = str(error).partition(" - at `")
        raise Problem(422, "invalid_request", str(error), path=path.rstrip("`") or "$", errors=[]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "not_json", f"the body is not JSON: {error}") from error


def _base(request: Request, base: int | None) -> int:
    tag = request.headers.get("if-match")
    if tag is None:
        if base is None:
            raise Problem(
                428, "base_missing", "give base (or If-Match): the version of the registry the set was made from"
            )
        return base
    number = tag.strip().removeprefix("W/").strip('"')
    if not number.isdecimal() or len(number) > 18:
        raise Problem(422, "bad_if_match", f'If-Match: {tag[:60]} is no version of the registry, such as "12"')
    if base is not None and base != int(number):
        raise Problem(422, "bad_if_match", f"base is {base}, but If-Match says {number}: give one of them")
    return int(number)


def _told(faults: Sequence[SetFault], documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "document": _label(fault.document, documents),
            "index": fault.document,
            "path": fault.path,
            "code": fault.code,
            "message": fault.message,
        }
        for fault in faults
    ]


def _invalid(faults: Sequence[SetFault], documents: Sequence[dict[str, Any]]) -> Problem:
    errors = _told(faults, documents)
    count = "1 fault" if len(errors) == 1 else f"{len(errors)} faults"
    return Problem(422, "invalid_set", f"{count}; nothing was written", errors=errors)


def _label(index: int | None, documents: Sequence[dict[str, Any]]) -> str | None:
    if index is None:
        return None
    kind, id_ = documents[index].get("kind"), documents[index].get("id")
    return f"{kind}/{id_}" if isinstance(kind, str) and isinstance(id_, str) else f"#{index}"
