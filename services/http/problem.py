"""A problem is an error answer over HTTP (RFC 9457, application/problem+json) with a stable `code`.

Every answer of 4xx and 5xx has this form: `type`, `title`, `status`, `code`, `detail`, and members of its own such as
`path`, the JSON path of a fault in the request's body.
"""

import http
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
_CODES = {404: "not_found", 405: "method_not_allowed", 408: "timeout", 413: "too_large"}
_log = structlog.get_logger(__name__)

# The form, for the OpenAPI page.
SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}


def answers(**described: str) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI page shows problems, by `_STATUS="what it means"`."""
    return {
        int(status[1:]): {"description": text, "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
        for status, text in described.items()
    }


# What any path may answer that wants a key and looks something up.
ANSWERS = answers(
    _400="Not JSON, or no HTTP.",
    _401="No key, or one that is unknown or revoked.",
    _403="The key may not do or see this.",
    _404="It is not there.",
    _408="The request did not come within its time.",
    _413="The body is too large.",
    _422="What was sent cannot be read; `path` or `detail` says where.",
    _431="The request's head is too large.",
    _503="Something it needs is away, or too much is under way: ask again after Retry-After seconds.",
)
CONFLICT = answers(_409="It stands otherwise by now: `detail` says how. Nothing was written.")


class Problem(Exception):  # noqa: N818  RFC 9457 calls it a problem
    """An error that is answered with `status` and a stable `code`; `detail` says what was wrong and what to do.

    `members` are added to the answer's body, `headers` to its headers.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> Response:
        """Return the answer."""
        body = {
            "type": f"urn:qingyu:problem:{self.code}",
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.members,
        }
        return JSONResponse(body, self.status, self.headers, MEDIA_TYPE)


def unauthorized(detail: str = "the bearer token is missing, unknown or revoked") -> Problem:
    """Return the 401 that asks for a bearer token."""
    return Problem(401, "unauthorized", detail, {"WWW-Authenticate": 'Bearer realm="qingyu"'})


def unavailable(detail: str, retry_after_s: int = 1) -> Problem:
    """Return the 503 that asks the client to repeat the request after `retry_after_s` [s]."""
    return Problem(503, "unavailable", detail, {"Retry-After": str(retry_after_s)})


def too_busy(detail: str, retry_after_s: int = 2) -> Problem:
    """Return the 503 of a process that has more to do than it takes on at once."""
    return Problem(503, "overloaded", f"{detail}: send it again later", {"Retry-After": str(retry_after_s)})


def json_path(location: tuple[Any, ...]) -> str:
    """Return the JSON path (`$.values[3].unit`) of a location as pydantic writes it."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _on_validation(error: RequestValidationError) -> Problem:
    faults: list[dict[str, str]] = []
    for fault in error.errors():
        place, *rest = fault["loc"]
        if fault["type"] == "json_invalid":
            return Problem(400, "not_json", f"the body is not JSON: {fault.get('ctx', {}).get('error', fault['msg'])}")
        path = json_path(tuple(rest)) if place == "body" else ".".join(str(part) for part in rest)
        faults.append({"in": str(place), "path": path, "message": fault["msg"]})
    detail = "; ".join(f"{fault['in']} {fault['path']}: {fault['message']}" for fault in faults)
    return Problem(422, "invalid_request", detail, path=faults[0]["path"] if faults else "$", errors=faults)


def _on_http(error: HTTPException) -> Problem:
    code = _CODES.get(error.status_code) or http.HTTPStatus(error.status_code).name.lower()
    return Problem(error.status_code, code, str(error.detail), error.headers)


def install(app: FastAPI) -> None:
    """Make the application answer every error as a problem: ours, those of validation, 404, 405, and the unforeseen."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _on_validation(error).response()

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _on_http(error).response()

    async def on_unforeseen(request: Request, error: Exception) -> Response:
        _log.error("request failed", path=request.url.path, exc_info=error)
        return Problem(500, "internal_error", "the request failed here; the log of this process says why").response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unforeseen)
