"""The WeCom channel (企业微信群机器人): a message as text in a group, or, where it is too long for that, as markdown.

Where from: developer.work.weixin.qq.com, "消息推送配置说明" and "全局错误码" (2025). A robot says 20 messages a
minute. A text has at most 2,048 bytes, markdown 4,096; there is no signature.
"""

from urllib.parse import urlencode

import msgspec

from schemas.documents.channel import Channels, WeCom
from services.notifier.answer import Trouble
from services.notifier.chat import Chat, ChatChannel, cut

MAX_TEXT_BYTES = 2048
MAX_MARKDOWN_BYTES = 4096
PAUSE_S = 60.0
CODES = {
    -1: Trouble.UNREACHABLE,  # the system is busy
    40001: Trouble.AUTH,  # not a valid secret
    40014: Trouble.AUTH,  # not a valid access token
    93000: Trouble.AUTH,  # no such robot
    93008: Trouble.AUTH,  # the robot is not in the group
    93017: Trouble.AUTH,  # the robot was taken out of the group
    45009: Trouble.LIMITED,  # too many calls
    45033: Trouble.LIMITED,  # too many calls at a time
}


class WeComChannel(ChatChannel):
    """Sends to robots of WeCom."""

    name = "WeCom"
    codes = CODES
    fields = ("errcode", "errmsg")
    pause_s = PAUSE_S

    def robot(self, channels: Channels) -> WeCom | None:
        """Return a recipient's robot."""
        return channels.wecom

    def asked(self, found: Chat, token: str, key: str) -> tuple[str, bytes]:
        """Return address and body that say something."""
        return f"{self._settings.wecom_api.rstrip('/')}/cgi-bin/webhook/send?{urlencode({'key': token})}", _body(found)


def _body(found: Chat) -> bytes:
    if len(found.text.encode()) <= MAX_TEXT_BYTES:
        return msgspec.json.encode({"msgtype": "text", "text": {"content": found.text}})
    content = cut(found.text, MAX_MARKDOWN_BYTES, found.tail)
    return msgspec.json.encode({"msgtype": "markdown", "markdown": {"content": content}})
