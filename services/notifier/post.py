"""A post is one HTTP request that carries a message, and what came back: a reply, or at once the answer that none came.

Redirects are not followed: what was meant for one address is not handed to another.
"""

import asyncio
import datetime as dt
import email.utils
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from schemas.settings import Settings
from services.notifier.answer import Answer, denied, hiding, limited, refused, unreachable
from services.notifier.reach import LIMITS, GuardedTransport, PrivateAddressError, Reach, tls
from services.secrets import Secrets
from streams.failpoints import hit

# A receiver that asks for a longer wait is asked again after this.
MAX_RETRY_AFTER_S = 3600.0
# An answer that says more than this in its body is read no further.
READ_BYTES = 16 << 10
# Where the status is the answer, its body is only read to say why, and not for long: it may come slowly, or never.
READ_LIMIT_S = 1.0

_DENIED = (401, 403, 407)
_LATER = (408, 425)
_LIMITED = 429


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; of its body as much as was wanted and came."""

    status: int
    retry_after: str | None
    body: bytes


class Poster:
    """Sends requests over shared connections; if `guarded`, to no private address that the settings do not allow."""

    def __init__(self, settings: Settings, *, guarded: bool) -> None:
        self._limit_s = settings.notify_timeout_s
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(self._limit_s),
            limits=LIMITS,
            verify=tls(),
            transport=GuardedTransport(Reach(settings.notify_private)) if guarded else None,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "qingyu-notifier"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        *,
        body_counts: bool,
        secrets: Iterable[str] = (),
        method: str = "POST",
    ) -> Reply | Answer:
        """Send a request; the answer, where no reply came, is without the secrets. Raises nothing a server can cause.

        Where `body_counts`, the reply's body is read; else only that of a failure, for the reason, and not for long.
        """
        try:
            # The client's own limits are for each wait; a receiver that sends a byte now and then must not hold on.
            async with (
                asyncio.timeout(self._limit_s),
                self._http.stream(method, url, content=content, headers=headers, extensions=_TRACED) as response,
            ):
                hit("notifier.before-answer")
                return await _reply(response, body_counts)
        except TimeoutError:
            return unreachable(f"no answer within {self._limit_s:g} s")
        except PrivateAddressError as error:
            return refused(str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return unreachable(hiding(f"not reached: {type(error).__name__}: {error}", secrets))


async def _trace(event: str, _: Mapping[str, Any]) -> None:
    if event == "http11.send_request_body.complete":
        hit("notifier.after-send")


_TRACED = {"trace": _trace}


async def _reply(response: httpx.Response, body_counts: bool) -> Reply:
    said = b""
    if body_counts:
        async for chunk in response.aiter_bytes():
            said += chunk
            if len(said) > READ_BYTES:
                break
    elif not response.is_success:
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(READ_LIMIT_S):
                async for chunk in response.aiter_raw(READ_BYTES):
                    said = chunk
                    break
    return Reply(response.status_code, response.headers.get("retry-after"), said[:READ_BYTES])


def by_status(reply: Reply, now_s: float, secrets: Iterable[str] = ()) -> Answer | None:
    """Return what a reply's status says of the message, at an instant [epoch s]; None for 2xx."""
    status = reply.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return refused(f"HTTP {status}: redirects are not followed")
    reason = hiding(f"HTTP {status} {reply.body.decode(errors='replace')}", secrets)
    if status in _DENIED:
        return denied(reason)
    wait_s = retry_after_s(reply.retry_after, now_s)
    if status == _LIMITED:
        return limited(reason, wait_s)
    return refused(reason) if 400 <= status < 500 and status not in _LATER else unreachable(reason, wait_s)


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """Return the wait that a Retry-After header asks for [s], given as seconds or a date; None for no such header."""
    if text is None:
        return None
    if text.strip().isdecimal():
        wait_s = float(text)
    else:
        try:
            at = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        wait_s = (at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)).timestamp() - now_s
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)


class PostingChannel:
    """A channel that posts; `now_s` tells real time [epoch s]. If `guarded`, to no private address."""

    guarded: ClassVar[bool] = True

    def __init__(self, settings: Settings, secrets: Secrets, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._secrets = secrets
        self._now_s = now_s
        self._poster = Poster(settings, guarded=self.guarded)

    async def close(self) -> None:
        """Close all connections."""
        await self._poster.close()
