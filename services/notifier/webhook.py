"""The webhook channel: a message POSTed as signed JSON; any 2xx answer means that the receiver has it."""

from schemas.documents import Recipient
from services.notifier.answer import Answer, delivered, denied, refused
from services.notifier.post import PostingChannel, by_status
from services.notifier.signature import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from services.notifier.wording import Wording
from services.secrets import SecretError


class WebhookChannel(PostingChannel):
    """Sends to webhooks."""

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one message and return what the receiver said; raises nothing that a receiver can cause."""
        webhook = recipient.spec.channels.webhook
        if webhook is None:
            return refused("the recipient has no webhook any more")
        try:
            secret = self._secrets.resolve(webhook.secret)
        except SecretError as error:
            return denied(str(error))
        digest = wording.message.digest
        public = (self._settings.public or self._settings.api).rstrip("/")
        place = f"alarms/{wording.event.id}" if digest is None else f"digests/{digest}"
        body = wording.body(recipient.id, f"{public}/v1/{place}")
        timestamp_s = int(self._now_s())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            KEY_HEADER: wording.key,
            TIMESTAMP_HEADER: str(timestamp_s),
            SIGNATURE_HEADER: sign(secret, timestamp_s, body),
        }
        reply = await self._poster.send(webhook.url, body, headers, body_counts=False)
        if isinstance(reply, Answer):
            return reply
        return by_status(reply, self._now_s()) or delivered(f"HTTP {reply.status}")
