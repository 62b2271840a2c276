"""The client is how the command talks to api or gateway: with the token of QINGYU_TOKEN, failures as one clear line."""

from collections.abc import Iterator
from typing import Any, Self

import httpx

from schemas.settings import Settings
from services.command.output import FOUND, WRONG_USE, CommandError

CONNECT_S = 5.0
# A set of a hundred thousand documents is checked and written in some 30 s.
ANSWER_S = 180.0
PAGE = 1000


class ApiError(CommandError):
    """The api answered with a problem: its HTTP status, its `code`, and its body."""

    def __init__(self, answer: httpx.Response, problem: dict[str, Any]) -> None:
        code = problem.get("code", "error")
        detail = problem.get("detail") or answer.reason_phrase
        status = WRONG_USE if answer.status_code in (400, 413, 422) or code == "unknown_kind" else FOUND
        super().__init__(f"{code}: {detail}", status=status, body=problem)
        self.http_status = answer.status_code
        self.code = code
        self.problem = problem


class Client:
    """Asks the api, or the gateway; use it in a `with`."""

    def __init__(self, settings: Settings, *, gateway: bool = False) -> None:
        self._who, self._setting = ("gateway", "QINGYU_GATEWAY") if gateway else ("api", "QINGYU_API")
        token = settings.token or settings.operator_token
        if token is None:
            raise CommandError(
                "no token: set QINGYU_TOKEN to a key that `qingyu key new` gave,"
                " before the first one to the QINGYU_OPERATOR_TOKEN of the api",
                status=WRONG_USE,
            )
        self._url = (settings.gateway if gateway else settings.api).rstrip("/")
        self._http = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the body of an answer; raise ApiError or CommandError."""
        return self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """Send a body and return that of the answer; raise ApiError or CommandError."""
        return self._ask("POST", path, params=query, json=body)

    def delete(self, path: str, **query: Any) -> Any:
        """Take something back and return the body of the answer; raise ApiError or CommandError."""
        return self._ask("DELETE", path, params={name: value for name, value in query.items() if value is not None})

    def items(self, path: str, limit: int | None = None, **query: Any) -> Iterator[Any]:
        """Yield the items of a list, page after page, at most `limit`."""
        cursor = None
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(PAGE, limit)
            page = self.get(path, **query, limit=size, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return
            limit = None if limit is None else limit - len(page["items"])

    def version(self) -> int:
        """Return the registry's version."""
        return self.get("/v1/registry/settings", limit=1)["version"]

    @property
    def _place(self) -> str:
        return f"the {self._who} at {self._url} ({self._setting})"

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            said = f"{self._setting} is {self._url!r}: write http://HOST:PORT"
            raise CommandError(said, status=WRONG_USE) from error
        except httpx.ConnectError as error:
            raise CommandError(f"{self._place} cannot be reached: is it running?") from error
        except httpx.HTTPError as error:
            raise CommandError(f"{self._place} did not answer: {str(error) or type(error).__name__}") from error
        try:
            body = answer.json()
        except ValueError as error:
            said = f"what answers at {self._url} ({self._setting}) is not the {self._who}: {answer.status_code}"
            raise CommandError(said) from error
        if answer.is_success:
            return body
        raise ApiError(answer, body if isinstance(body, dict) else {})
