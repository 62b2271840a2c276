"""The webhook channel: an event POSTed as signed JSON; any 2xx answer means that the receiver has it.

Redirects are not followed: what was signed for one address is not handed to another.
"""

import asyncio
import datetime as dt
import email.utils
import time
from collections.abc import Callable
from contextlib import suppress

import httpx

from schemas.documents import Recipient
from schemas.settings import Settings
from services.notifier.answer import Answer, delivered, failed, refused
from services.notifier.signature import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from services.notifier.wording import Wording
from services.secrets import SecretError, Secrets

# Answers that say "not now": the receiver may take the same message later. All other 4xx are about the message.
LATER = (408, 425, 429)
# A receiver that asks for a longer wait is asked again after this.
MAX_RETRY_AFTER_S = 3600.0
# Of the answer's body only what fits into a reason is read.
READ_BYTES = 1024
READ_LIMIT_S = 1.0


class WebhookChannel:
    """Sends to webhooks over shared connections; `now_s` tells real time [epoch s]."""

    def __init__(self, settings: Settings, secrets: Secrets, now_s: Callable[[], float] = time.time) -> None:
        self._limit_s = settings.notify_timeout_s
        self._public = (settings.public or settings.api).rstrip("/")
        self._secrets = secrets
        self._now_s = now_s
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(self._limit_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=30),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "qingyu-notifier"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one event and return what the receiver said; raises nothing that a receiver can cause."""
        webhook = recipient.spec.channels.webhook
        if webhook is None:
            return refused("the recipient has no webhook any more")
        try:
            secret = self._secrets.resolve(webhook.secret)
        except SecretError as error:
            return failed(str(error))
        body = wording.body(recipient.id, f"{self._public}/v1/alarms/{wording.event.id}")
        timestamp_s = int(self._now_s())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            KEY_HEADER: wording.key,
            TIMESTAMP_HEADER: str(timestamp_s),
            SIGNATURE_HEADER: sign(secret, timestamp_s, body),
        }
        try:
            # The client's own limits are for each wait; a receiver that sends a byte now and then must not hold on.
            async with (
                asyncio.timeout(self._limit_s),
                self._http.stream("POST", webhook.url, content=body, headers=headers) as response,
            ):
                return await self._answer(response)
        except TimeoutError:
            return failed(f"no answer within {self._limit_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return failed(f"not reached: {type(error).__name__}: {error}")

    async def _answer(self, response: httpx.Response) -> Answer:
        status = response.status_code
        if response.is_success:
            return delivered(f"HTTP {status}")
        said = b""
        # The status is the answer; its body may come slowly, or never.
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(READ_LIMIT_S):
                async for chunk in response.aiter_raw(READ_BYTES):
                    said = chunk
                    break
        reason = f"HTTP {status} {said[:READ_BYTES].decode(errors='replace')}"
        if response.is_redirect or 300 <= status < 400:
            return refused(f"HTTP {status}: redirects are not followed")
        if 400 <= status < 500 and status not in LATER:
            return refused(reason)
        return failed(reason, retry_after_s(response.headers.get("retry-after"), self._now_s()))


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
