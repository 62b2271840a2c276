"""A session is what a browser shows of itself by cookies: the token it logged in with, its language and theme.

The token's cookie is read by no script and sent by no other site (HttpOnly, SameSite=Strict); it opens pages only, the
api's own paths want the token in a header.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Request, Response

from services.api.access import Reader
from services.console.words import LANGUAGES, Words, language_of, words
from services.http.problem import Problem
from services.http.tokens import principal_of

TOKEN, LANGUAGE, THEME = "qingyu_token", "qingyu_language", "qingyu_theme"
THEMES = ("light", "auto", "dark")
# The longest that browsers keep a cookie; each page sets it anew, so a wall display stays logged in.
KEPT_S = 400 * 86_400
FORM_LIMIT_BYTES = 8192
_TOKEN_LENGTH = 512


class NoSession(Exception):  # noqa: N818  nothing failed: he has to log in
    """The browser shows no token that opens anything; `unready` when the registry is not there to tell."""

    def __init__(self, *, unready: bool = False) -> None:
        super().__init__("not logged in")
        self.unready = unready


def reader_of(request: Request, token: str | None = None) -> Reader:
    """Return who looks, by his cookie or by `token`; raise NoSession when nobody does."""
    api: Any = request.app.state.api
    shown = request.cookies.get(TOKEN, "") if token is None else token
    if not shown or len(shown) > _TOKEN_LENGTH:
        raise NoSession
    if not api.follower.loaded:
        raise NoSession(unready=True)
    at_ms = api.clock.now_ms()
    principal = principal_of(shown, api.follower.snapshot, api.settings.operator_token, at_ms)
    if principal is None:
        raise NoSession
    if principal.role == "source":
        raise Problem(403, "source_token", "the key of a source sends readings, it does not look at the board")
    return Reader(principal, api.follower.snapshot, at_ms)


def words_of(request: Request) -> Words:
    """Return the words of the browser's language: as chosen, else as it prefers."""
    chosen = request.cookies.get(LANGUAGE)
    if chosen not in LANGUAGES:
        chosen = language_of(request.headers.get("accept-language", ""))
    return words(chosen)


def theme_of(request: Request) -> str:
    """Return the theme as chosen; by default as the system has it."""
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else "auto"


def keep(request: Request, response: Response, name: str, value: str) -> None:
    """Set a cookie."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=KEPT_S, path="/", secure=secure, httponly=True, samesite="strict")


def forget(request: Request, response: Response, name: str) -> None:
    """Take a cookie back."""
    secure = request.url.scheme == "https"
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent by a page of ours.

    Raises the Problem 403 `cross_site` for one that another site sent, 413 for one that is too long.
    """
    check_same_site(request)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_LIMIT_BYTES:
            raise Problem(413, "too_long", f"a form has at most {FORM_LIMIT_BYTES} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
    return {name: values[0] for name, values in fields.items()}


def check_same_site(request: Request) -> None:
    """Raise the Problem 403 `cross_site` for a request that a page of another site makes."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = site not in (None, "same-origin", "none")
    if site is None and origin is not None:
        foreign = urlsplit(origin).netloc != request.headers.get("host")
    if foreign:
        raise Problem(403, "cross_site", "this was sent by a page of another site")


def own_path(text: str) -> str:
    """Return an address to go on to: `text` if it is a page of the board, else the first page."""
    parts = urlsplit(text)
    fine = not parts.scheme and not parts.netloc and (parts.path + "/").startswith("/board/")
    return text if fine and "\\" not in text and text.isprintable() else "/board"
