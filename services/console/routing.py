"""Routing of the board: whoever is not logged in is led to the log-in, and errors are pages that people can read."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from services.console.rendering import assets_version, page
from services.console.session import NoSession, theme_of, words_of
from services.http.problem import Problem
from streams.stores.series import StoreError

# Nothing but our own files, nothing inline, in nobody's frame.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
AGAIN_S = 10
# By status, what a page says of an error.
_TITLES = {403: "problem.forbidden", 404: "problem.not_found"}


def html(request: Request, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
    """Return a page with what all pages need; `who` names him who is logged in."""
    path = request.url.path
    common: dict[str, Any] = {
        "words": words_of(request),
        "theme": theme_of(request),
        "static": static_path,
        "here": path if path.startswith("/board") else "/board",
        "live": None,
        "who": None,
        "status": status,
    }
    return HTMLResponse(page(template, **(common | shown)), status, HEADERS)


def static_path(name: str) -> str:
    """Return the address of a file; it changes with the file, so that browsers may keep it for ever."""
    return f"/static/{assets_version()}/{name}"


class BoardRoute(APIRoute):
    """A route of the board."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with errors made into pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except NoSession as reason:
                return _to_login(request, reason)
            except Problem as problem:
                return _problem(request, problem)
            except StoreError as error:
                return html(
                    request, "problem.html", 503, title="problem.store", code=error.code, detail="",
                    again_s=AGAIN_S,
                )  # fmt: skip

        return handle


def _to_login(request: Request, reason: NoSession) -> Response:
    # What a page's script asks for: it must learn the status.
    asked = request.url.path == "/board/session" or request.url.path.startswith("/board/live/")
    if reason.unready:
        status = 503
        return html(
            request, "problem.html", status, title="problem.unready", code="unavailable", detail="",
            again_s=AGAIN_S,
        )  # fmt: skip
    if asked or request.method != "GET":
        return Response(status_code=401, headers=HEADERS)
    if request.headers.get("sec-fetch-site") == "cross-site":
        # A strict cookie is not sent when a link in somebody's mail leads here; asked for by a page of ours, it is.
        return html(request, "again.html", here=request.url.path)
    return RedirectResponse(f"/login?next={quote(request.url.path)}", 303, HEADERS)


def _problem(request: Request, problem: Problem) -> Response:
    # What names no entity is to a reader an address of which there is no page.
    status = 404 if problem.status == 422 else problem.status
    title = _TITLES.get(status) or ("problem.busy" if status == 503 else "problem.failed")
    answer = html(
        request, "problem.html", status, title=title, code=problem.code,
        detail=problem.detail, again_s=AGAIN_S if status == 503 else None,
    )  # fmt: skip
    answer.headers.update(problem.headers)
    return answer
