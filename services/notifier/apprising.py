"""The apprise channel: a message by whatever apprise can reach, for services that have no sender of their own here.

Apprise sleeps and waits in the calling thread, so it runs in threads. It tells only whether it worked, not why not: a
failure counts as not reached, and is tried again. Most services cannot tell a repeat.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from schemas.documents import Recipient
from schemas.settings import Settings
from services.notifier.answer import Answer, delivered, denied, refused, unreachable
from services.notifier.wording import Wording
from services.secrets import SecretError, Secrets

# Lanes that apprise may hold up at a time.
THREADS = 4
# It asks its server in steps, each with the limit of the settings.
STEPS = 3

# It writes addresses, in which tokens stand.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class AppriseChannel:
    """Sends by apprise."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._limit_s = settings.notify_timeout_s
        self._secrets = secrets
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    async def close(self) -> None:
        """Take no more; a thread that still waits ends by its own limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one message and return whether apprise could; raises nothing that a server can cause."""
        found = recipient.spec.channels.apprise
        if found is None:
            return refused("the recipient has no apprise address any more")
        try:
            url = self._secrets.resolve(found.url)
        except SecretError as error:
            return denied(str(error))
        letter = wording.letter(recipient.spec.language, recipient.spec.template)
        try:
            # As long as the limits of its own steps: a thread cannot be stopped.
            async with asyncio.timeout(STEPS * self._limit_s):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, self._send, url, letter.title, letter.text)
        except TimeoutError:
            return unreachable(f"no answer within {STEPS * self._limit_s:g} s")

    def _send(self, url: str, title: str, text: str) -> Answer:
        # It brings a hundred services along, and who uses none of them does not wait for them.
        import apprise

        asset = apprise.AppriseAsset(app_id="Qingyu", app_desc="Qingyu", secure_logging=True)
        sender = apprise.Apprise(asset=asset)
        limits = f"cto={self._limit_s:g}&rto={self._limit_s:g}"
        if not sender.add(f"{url}{'&' if '?' in url else '?'}{limits}"):
            return denied("apprise does not know this kind of address: see its list of services")
        if sender.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT):
            return delivered("apprise says that it was sent")
        return unreachable("apprise says that it could not send")
