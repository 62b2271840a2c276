"""The SMS channel: a message's title by the HTTP interface of an SMS gateway, as the gateway's document says."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from schemas.documents import DocumentKey, Recipient
from schemas.documents.sms import SmsGateway, SmsSpec, Success, fields
from schemas.templating import TemplateFaultError, render
from services.notifier.answer import Answer, Trouble, delivered, denied, hiding, line, refused, unreachable
from services.notifier.post import PostingChannel, Reply, by_status
from services.notifier.signature import KEY_HEADER
from services.notifier.wording import Wording
from services.secrets import SecretError

PAUSE_S = 60.0


class SmsChannel(PostingChannel):
    """Sends to SMS gateways."""

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one message and return what the gateway said; raises nothing that a server can cause."""
        sms = recipient.spec.channels.sms
        if sms is None:
            return refused("the recipient has no telephone any more")
        gateway = wording.snapshot.documents.get(DocumentKey("sms", sms.gateway))
        if not isinstance(gateway, SmsGateway):
            return denied(f"no SMS gateway {sms.gateway} is registered")
        spec = gateway.spec
        try:
            phone = self._secrets.resolve(sms.phone)
            secrets = {name: self._secrets.resolve(reference) for name, reference in spec.secrets.items()}
        except SecretError as error:
            return denied(str(error))
        hidden = (phone, *secrets.values())
        language = recipient.spec.language
        title = wording.letter(language, recipient.spec.template).title
        if len(title) > spec.title_characters:
            title = title[: spec.title_characters - 1] + "…"
        filled = fields(
            phone=phone, title=title, link=wording.board, key=wording.key, language=language, secrets=secrets
        )
        try:
            url, body, headers = _request(spec, filled)
        except TemplateFaultError as error:
            return refused(hiding(f"the gateway's document cannot be filled in: {error}", hidden))
        headers[KEY_HEADER] = wording.key
        reply = await self._poster.send(url, body, headers, body_counts=True, secrets=hidden, method=spec.method)
        if isinstance(reply, Answer):
            return reply
        return by_status(reply, self._now_s(), hidden) or _said(spec.success, reply, hidden)


def _request(spec: SmsSpec, filled: Mapping[str, Any]) -> tuple[str, bytes, dict[str, str]]:
    headers = {name: line(render(text, filled)) for name, text in spec.headers.items()}
    body = b""
    if spec.form is not None:
        body = urlencode({name: render(text, filled) for name, text in spec.form.items()}).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    elif spec.json_ is not None:
        body = msgspec.json.encode(_filled(spec.json_, filled))
        headers["Content-Type"] = "application/json; charset=utf-8"
    parts = urlsplit(spec.url)
    query = "&".join(filter(None, (parts.query, urlencode({k: render(v, filled) for k, v in spec.query.items()}))))
    return urlunsplit(parts._replace(query=query)), body, headers


def _filled(value: Any, fields: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return render(value, fields)
    if isinstance(value, dict):
        return {name: _filled(inner, fields) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, fields) for inner in value]
    return value


def _said(success: Success | None, reply: Reply, hidden: tuple[str, ...]) -> Answer:
    if success is None:
        return delivered(f"HTTP {reply.status}")
    text = hiding(reply.body.decode(errors="replace"), hidden)
    try:
        found: Any = msgspec.json.decode(reply.body)
        for name in success.field.split("."):
            found = found[int(name)] if isinstance(found, list) else found[name]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, ValueError, RecursionError):
        return unreachable(f"HTTP {reply.status}, but no {success.field} in: {text}")
    value = str(found).lower() if isinstance(found, bool) else str(found)
    if value in success.values:
        return delivered(text)
    if value in success.limited:
        return Answer(Trouble.LIMITED, line(text), PAUSE_S)
    return denied(text) if value in success.auth else refused(text)
