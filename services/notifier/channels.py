"""The channels are the ways out of the house, each by its name in a recipient's document."""

from typing import Protocol

from schemas.documents import Recipient
from schemas.settings import Settings
from services.notifier.answer import Answer
from services.notifier.apprising import AppriseChannel
from services.notifier.dingtalk import DingTalkChannel
from services.notifier.feishu import FeishuChannel
from services.notifier.mail import MailChannel
from services.notifier.sms import SmsChannel
from services.notifier.webhook import WebhookChannel
from services.notifier.wecom import WeComChannel
from services.notifier.wording import Wording
from services.secrets import Secrets


class Channel(Protocol):
    """A way out of the house."""

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one message and return what the other side said."""
        ...

    async def close(self) -> None:
        """End."""
        ...


def every_channel(settings: Settings, secrets: Secrets) -> dict[str, Channel]:
    """Return a sender for each channel; they are to be closed."""
    return {
        "webhook": WebhookChannel(settings, secrets),
        "mail": MailChannel(settings, secrets),
        "dingtalk": DingTalkChannel(settings, secrets),
        "wecom": WeComChannel(settings, secrets),
        "feishu": FeishuChannel(settings, secrets),
        "sms": SmsChannel(settings, secrets),
        "apprise": AppriseChannel(settings, secrets),
    }
