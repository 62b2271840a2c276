"""The server is InfluxDB 2 over HTTP: requests, each limited in time, and what an answer means to a store.

A write returns what the server said of the lines; whatever keeps the server from judging them is a StoreError.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from schemas.settings import Settings
from streams.stores import influxql
from streams.stores.series import StoreError

CONNECT_S = 5.0
# The server gives up storing a request after 10 s; to wait for less would be to send the same twice at once.
ANSWER_S = 30.0
HEALTH_S = 5.0
# How long a server may ask to be left alone [s]; it is asked again after that.
LONGEST_WAIT_S = 300.0

_ADVICE = {
    "store_denied": "give QINGYU_INFLUX_TOKEN a token that reads and writes the buckets",
    "store_absent": "a new sink makes the buckets; if they were removed, run `qingyu store rebuild`",
    "store_busy": "the sink goes on by itself",
    "store_full": "give the server room; the sink goes on by itself",
    "store_away": "see QINGYU_INFLUX and whether the server runs; the sink goes on by itself",
    "store_timeout": "see how busy the server is; ask for a shorter range",
    "store_failed": "see the log of the server",
}
# What a server says whose disk or memory is full, of whatever line.
_FULL = ("cache-max-memory-size", "no space left", "disk full", "quota exceeded")
_NOT_EXECUTED = "not executed"
_REFUSALS = {400: "invalid", 413: "request too large", 422: "unprocessable entity"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the server said of lines: `status` 204, or 400, 413 or 422 with its `words`; 413 also for too many."""

    status: int
    words: str


class ServerFaultError(StoreError):
    """The server failed with a 5xx of its own: perhaps it is ill, perhaps the lines are."""


class InfluxServer:
    """Requests to the InfluxDB of the settings; may be shared by threads."""

    def __init__(self, settings: Settings, answer_s: float = ANSWER_S) -> None:
        token = settings.influx_token.get_secret_value() if settings.influx_token else ""
        self._org = settings.influx_org
        self._address = settings.influx
        self._client = httpx.Client(
            base_url=settings.influx,
            headers={"Authorization": f"Token {token}"},
            timeout=httpx.Timeout(answer_s, connect=CONNECT_S),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def write(self, bucket: str, lines: Sequence[str]) -> Verdict:
        """Send lines to a bucket and return the verdict; raise StoreError when there is none."""
        answer = self._request(
            "POST",
            "/api/v2/write",
            params={"org": self._org, "bucket": bucket, "precision": "ms"},
            content=gzip.compress("\n".join(lines).encode(), 1),
            headers={"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"},
        )
        if answer.status_code == 204:
            return Verdict(204, "")
        words = _words(answer)
        if answer.status_code == 413 or (answer.status_code == 500 and "timeout" in words and len(lines) > 1):
            return Verdict(413, words)
        if answer.status_code in _REFUSALS and _code(answer) == _REFUSALS[answer.status_code]:
            return Verdict(answer.status_code, words)
        raise self._fault(answer, words)

    def query(self, *statements: str) -> list[list[influxql.Series]]:
        """Return the series of each statement of InfluxQL; raise StoreError."""
        answer = self._request("POST", "/query", data={"q": "; ".join(statements), "epoch": "ms"})
        if answer.status_code != 200:
            raise self._fault(answer, _words(answer))
        try:
            return influxql.rows_of(answer.content)
        except influxql.QueryError as error:
            if str(error) == _NOT_EXECUTED and len(statements) > 1:
                # The reason is left out where one fault ends several statements.
                return [*self.query(statements[0]), *self.query(*statements[1:])]
            absent = "database not found" in str(error)
            raise self._error("store_absent" if absent else "store_failed", str(error)) from error
        except ValueError as error:
            raise self._error("store_failed", f"the answer is not InfluxDB's: {error}") from error

    def delete(self, bucket: str, measurement: str, tags: dict[str, str]) -> None:
        """Delete what has a measurement and these tags, of whatever time; raise StoreError."""
        wanted = {"_measurement": measurement, **tags}
        # Names and values are quoted in the same way there.
        predicate = " AND ".join(f"{influxql.name(tag)}={influxql.name(value)}" for tag, value in wanted.items())
        body = {"start": "1970-01-01T00:00:00Z", "stop": "2262-01-01T00:00:00Z", "predicate": predicate}
        answer = self._request("POST", "/api/v2/delete", params={"org": self._org, "bucket": bucket}, json=body)
        if answer.status_code != 204:
            raise self._fault(answer, _words(answer))

    def is_healthy(self) -> bool:
        """Whether the server says that it is well."""
        try:
            return self._client.get("/health", timeout=HEALTH_S).status_code == 200
        except httpx.HTTPError:
            return False

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **options)
        except httpx.TimeoutException as error:
            code = "store_away" if isinstance(error, httpx.ConnectTimeout) else "store_timeout"
            raise self._error(code, "no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error("store_away", f"{type(error).__name__}: {error}") from error

    def _fault(self, answer: httpx.Response, words: str) -> StoreError:
        status = answer.status_code
        said = f"{status} {words}"
        if status in (401, 403):
            return self._error("store_denied", said)
        if status == 404:
            return self._error("store_absent", said)
        if any(mark in words for mark in _FULL) or status == 507:
            return self._error("store_full", said)
        if status in (429, 503):
            return StoreError("store_busy", self._text("store_busy", said), _wait_s(answer))
        if status >= 500:
            return ServerFaultError("store_failed", self._text("store_failed", said), _wait_s(answer))
        return self._error("store_failed", said)

    def _error(self, code: str, said: str) -> StoreError:
        return StoreError(code, self._text(code, said))

    def _text(self, code: str, said: str) -> str:
        return f"InfluxDB at {self._address}: {said}; {_ADVICE[code]}"


def _code(answer: httpx.Response) -> str:
    """Return the code of InfluxDB's own errors; a proxy's have none."""
    try:
        return str(answer.json()["code"])
    except (ValueError, TypeError, KeyError):
        return ""


def _words(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, TypeError, KeyError):
        return answer.text[:500]


def _wait_s(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT_S) if text.isdecimal() else 0.0
