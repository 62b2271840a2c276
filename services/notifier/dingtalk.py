"""The DingTalk channel (钉钉群机器人): a message as text in a group, signed under the robot's key.

Where from: open.dingtalk.com, "自定义机器人接入" and its list of error codes (2025). A robot says 20 messages a
minute; one that was sent more is mute for about ten minutes. A body has at most 20,000 bytes.
"""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import msgspec

from schemas.documents.channel import Channels, DingTalk
from services.notifier.answer import Trouble
from services.notifier.chat import Chat, ChatChannel, fitting

MAX_BODY_BYTES = 20_000
MUTE_S = 600.0
CODES = {
    -1: Trouble.UNREACHABLE,  # the system is busy
    40014: Trouble.AUTH,  # not a valid access token
    300001: Trouble.AUTH,  # no such token
    300005: Trouble.AUTH,  # no such token
    310000: Trouble.AUTH,  # signature, time, keyword or sender's address do not fit the robot's rule
    400101: Trouble.AUTH,  # no such access token
    400102: Trouble.AUTH,  # the robot was stopped
    400106: Trouble.AUTH,  # no such robot
    130101: Trouble.LIMITED,  # sent too fast
    410100: Trouble.LIMITED,  # sent too fast
}


class DingTalkChannel(ChatChannel):
    """Sends to robots of DingTalk."""

    name = "DingTalk"
    codes = CODES
    fields = ("errcode", "errmsg")
    pause_s = MUTE_S

    def robot(self, channels: Channels) -> DingTalk | None:
        """Return a recipient's robot."""
        return channels.dingtalk

    def asked(self, found: Chat, token: str, key: str) -> tuple[str, bytes]:
        """Return address and body that say something."""
        query = {"access_token": token}
        if key:
            timestamp_ms = str(int(self._now_s() * 1000))
            query |= {"timestamp": timestamp_ms, "sign": signature(key, timestamp_ms)}
        return f"{self._settings.dingtalk_api.rstrip('/')}/robot/send?{urlencode(query)}", fitting(
            _body, found, MAX_BODY_BYTES
        )


def signature(key: str, timestamp_ms: str) -> str:
    """Return the signature of a request: HMAC-SHA256, under the key, of timestamp, line end and key."""
    digest = hmac.new(key.encode(), f"{timestamp_ms}\n{key}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _body(text: str) -> bytes:
    return msgspec.json.encode({"msgtype": "text", "text": {"content": text}})
