"""The pages of the board, what keeps them current, log-in and preferences, over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from services.api.access import Reader
from services.console.correcting import may_correct
from services.console.feed import Drawn
from services.console.feeds import Feeds
from services.console.numerals import unit_text
from services.console.rendering import STATIC, assets_version
from services.console.routing import HEADERS, BoardRoute, html
from services.console.session import (
    LANGUAGE,
    THEME,
    THEMES,
    TOKEN,
    NoSession,
    check_same_site,
    forget,
    form_of,
    keep,
    own_path,
    reader_of,
    words_of,
)
from services.console.subject import thing_of
from services.console.tables import chart_unit
from services.console.words import LANGUAGES, words
from services.http.problem import Problem

GROUPS = ("province", "city", "county", "park", "industry", "list")
_LONG = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
_SHORT = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
_MEDIA = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}

router = APIRouter(route_class=BoardRoute, include_in_schema=False)


@router.get("/")
async def root() -> Response:
    """Lead to the board."""
    return RedirectResponse("/board", 303)


@router.get("/board")
async def home(request: Request) -> Response:
    """Lead to what the caller is most about: his enterprise, his territory, or the only city there is."""
    reader = reader_of(request)
    subject = reader.principal.subject
    if reader.principal.role == "enterprise":
        return RedirectResponse(f"/board/enterprise/{subject}", 303, HEADERS)
    if not reader.sees_all:
        return RedirectResponse(f"/board/{subject}", 303, HEADERS)
    cities = [key for key in reader.snapshot.documents if key.kind == "city"]
    if len(cities) == 1:
        return RedirectResponse(f"/board/{cities[0]}", 303, HEADERS)
    return _choose(request, reader)


@router.get("/board/session")
async def session(request: Request) -> Response:
    """Say to a page that lost its stream whether its log-in still holds: 204, or 401."""
    reader_of(request)
    return Response(status_code=204, headers=HEADERS)


@router.get("/board/territories")
async def territories(request: Request) -> Response:
    """Show all territories that the caller may see."""
    return _choose(request, reader_of(request))


def _choose(request: Request, reader: Reader) -> Response:
    seen = sorted(str(key) for key in reader.snapshot.documents if key.kind in GROUPS and reader.sees(str(key)))
    groups = [(kind, [thing_of(reader.snapshot, one) for one in seen if one.startswith(f"{kind}/")]) for kind in GROUPS]
    return html(request, "choose.html", groups=[one for one in groups if one[1]], who=str(reader.principal))


@router.get("/board/live/{kind}/{id}")
async def live(
    request: Request,
    kind: str,
    id: str,
    language: Annotated[str, Query()] = "zh",
    since: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """Stream what changes on a page, from the state that `Last-Event-ID` or `since` names."""
    reader = reader_of(request)
    entity = reader.check(f"{kind}/{id}")
    mark = request.headers.get("last-event-id", since)[:80]

    def allowed() -> bool:
        try:
            return reader_of(request).sees(entity)
        except (NoSession, Problem):
            return False

    feeds: Feeds = request.app.state.feeds
    return feeds.watch(entity, language if language in LANGUAGES else "zh", mark, allowed)


@router.get("/board/{kind}/{id}")
async def show(request: Request, kind: str, id: str) -> Response:
    """Show a territory, an enterprise or a meter."""
    reader = reader_of(request)
    entity = reader.check(f"{kind}/{id}")
    if entity.startswith("list/"):
        raise Problem(404, "no_page", "a list has no page")
    language = words_of(request).language
    feeds: Feeds = request.app.state.feeds
    drawn: Drawn = await feeds.of(entity).drawn(language)
    subject = drawn.subject
    answer = html(
        request,
        f"{subject.kind}.html",
        subject=subject,
        name=subject.thing.name(language),
        kind_name=words(language)(f"kind.{subject.thing.kind}"),
        trail=[(one, reader.sees(one.key)) for one in subject.trail],
        cells=drawn.cells,
        points=drawn.points,
        spans=drawn.spans,
        chart_unit=chart_unit(subject),
        unit_text=unit_text,
        live=f"/board/live/{entity}?language={language}",
        since=drawn.mark,
        may_correct=may_correct(reader),
        who=str(reader.principal),
    )
    # A wall display looks at one page for months: its log-in must not end meanwhile.
    keep(request, answer, TOKEN, request.cookies[TOKEN])
    return answer


@router.get("/login")
async def login_page(request: Request, next: str = "/board") -> Response:
    """Ask for a token; the page's script takes one from the address's fragment, which no server ever sees."""
    return html(request, "login.html", after=own_path(next), fault=None)


@router.post("/login")
async def login(request: Request) -> Response:
    """Keep a token that opens something."""
    fields = await form_of(request)
    after, token = own_path(fields.get("next", "")), fields.get("token", "").strip()
    try:
        reader_of(request, token)
    except NoSession as reason:
        fault, status = ("login.unready", 503) if reason.unready else ("login.wrong", 401)
        return html(request, "login.html", status, after=after, fault=fault)
    except Problem:
        return html(request, "login.html", 403, after=after, fault="login.source")
    answer = RedirectResponse(after, 303, HEADERS)
    keep(request, answer, TOKEN, token)
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Forget the token."""
    check_same_site(request)
    answer = RedirectResponse("/login", 303, HEADERS)
    forget(request, answer, TOKEN)
    return answer


@router.post("/board/preferences")
async def preferences(request: Request) -> Response:
    """Keep the chosen language or theme and go back to the page."""
    fields = await form_of(request)
    answer = RedirectResponse(own_path(fields.get("next", "")), 303, HEADERS)
    if fields.get("language") in LANGUAGES:
        keep(request, answer, LANGUAGE, fields["language"])
    if fields.get("theme") in THEMES:
        keep(request, answer, THEME, fields["theme"])
    return answer


@router.get("/static/{version}/{name}")
async def static(version: str, name: str) -> Response:
    """Give a file of the board."""
    return _file(name, _LONG if version == assets_version() else _SHORT)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Give the icon to whoever asks for it where browsers did of old."""
    return _file("favicon.svg", _SHORT)


def _file(name: str, headers: dict[str, Any]) -> Response:
    path = STATIC / name
    if name not in {one.name for one in STATIC.iterdir()}:
        raise Problem(404, "not_found", f"there is no file {name[:60]!r}")
    return FileResponse(path, headers=headers, media_type=_MEDIA.get(path.suffix))
