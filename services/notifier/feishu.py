"""The Feishu channel (飞书群机器人): a message as text in a group, signed under the robot's key.

Where from: open.feishu.cn, "自定义机器人使用指南" (2025). A robot says 100 messages a minute and 5 a second; a
body has at most 20 KB.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote

import msgspec

from schemas.documents.channel import Channels, Feishu
from services.notifier.answer import Trouble
from services.notifier.chat import Chat, ChatChannel, fitting

MAX_BODY_BYTES = 20_000
PAUSE_S = 60.0
CODES = {
    19001: Trouble.AUTH,  # no such robot
    19021: Trouble.AUTH,  # the signature does not fit, or its time is more than an hour away
    19022: Trouble.AUTH,  # the sender's address is not on the robot's list
    19024: Trouble.AUTH,  # the robot's keyword is missing
    11232: Trouble.LIMITED,  # too much at a time
    11247: Trouble.LIMITED,  # too much at a time
    230020: Trouble.LIMITED,  # too much at a time in this chat
}


class FeishuChannel(ChatChannel):
    """Sends to robots of Feishu."""

    name = "Feishu"
    codes = CODES
    fields = ("code", "msg")
    pause_s = PAUSE_S

    def robot(self, channels: Channels) -> Feishu | None:
        """Return a recipient's robot."""
        return channels.feishu

    def asked(self, found: Chat, token: str, key: str) -> tuple[str, bytes]:
        """Return address and body that say something."""
        head: dict[str, str] = {}
        if key:
            timestamp_s = str(int(self._now_s()))
            head = {"timestamp": timestamp_s, "sign": signature(key, timestamp_s)}

        def body(text: str) -> bytes:
            return msgspec.json.encode({**head, "msg_type": "text", "content": {"text": text}})

        url = f"{self._settings.feishu_api.rstrip('/')}/open-apis/bot/v2/hook/{quote(token, safe='')}"
        return url, fitting(body, found, MAX_BODY_BYTES)


def signature(key: str, timestamp_s: str) -> str:
    """Return the signature of a request: HMAC-SHA256 of nothing under timestamp, line end and key."""
    digest = hmac.new(f"{timestamp_s}\n{key}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
