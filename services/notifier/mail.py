"""The mail channel: an event as a mail of plain text and HTML in the recipient's language, through one mail server.

A mail that may have been taken and whose answer was lost is sent again under the same Message-ID; mail servers and
programs that look at it show it once, but none has to.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate

import aiosmtplib

from schemas.documents import Recipient
from schemas.settings import Settings
from services.notifier.answer import Answer, delivered, denied, line, refused, unreachable
from services.notifier.signature import KEY_HEADER
from services.notifier.wording import Wording
from services.secrets import SecretError, Secrets

QUIT_LIMIT_S = 2.0
# The group of a recipient's mails about one alarm: programs show them as one conversation.
_ID_DIGITS = 32
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")


class MailChannel:
    """Sends mails; `now_s` tells real time [epoch s]."""

    def __init__(self, settings: Settings, secrets: Secrets, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._secrets = secrets
        self._now_s = now_s

    async def close(self) -> None:
        """Nothing stays open between mails."""

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one event and return what the mail server said; raises nothing that a server can cause."""
        mail = recipient.spec.channels.mail
        if mail is None:
            return refused("the recipient has no mail address any more")
        if not self._settings.smtp_host:
            return denied("no mail server is set: QINGYU_SMTP_HOST")
        try:
            message = self.message(
                recipient.id, mail.address, recipient.spec.language, wording, recipient.spec.template
            )
            return await self._hand_over(message, mail.address)
        except SecretError as error:
            return denied(str(error))
        except TimeoutError:
            return unreachable(f"no answer within {self._settings.notify_timeout_s:g} s")
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = ", ".join(f"{one.code} {one.message}" for one in error.recipients)
            return self._by_code(min(one.code for one in error.recipients), f"the recipient was not taken: {codes}")
        except aiosmtplib.SMTPRecipientRefused as error:
            return self._by_code(error.code, f"the recipient was not taken: {error.code} {error.message}")
        except aiosmtplib.SMTPDataError as error:
            return self._by_code(error.code, f"the mail was not taken: {error.code} {error.message}")
        except aiosmtplib.SMTPAuthenticationError as error:
            return denied(f"the mail server does not know us: {error.code} {error.message}")
        except aiosmtplib.SMTPResponseException as error:
            # Greeting, sender: what is wrong there is the installation's, not this mail's.
            return unreachable(f"the mail server answered {error.code} {error.message}")
        except (aiosmtplib.SMTPException, OSError) as error:
            return unreachable(f"not reached: {type(error).__name__}: {error}")

    def message(
        self, recipient: str, address: str, language: str, wording: Wording, template: str | None = None
    ) -> EmailMessage:
        """Return the mail; every header is one line, whatever stands in a name."""
        letter = wording.letter("zh" if language == "zh" else "en", template)
        sender = self._settings.smtp_from
        domain = sender.rpartition("@")[2]
        domain = domain if _DOMAIN.fullmatch(domain) else "localhost"
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = Address(line(self._settings.smtp_from_name), addr_spec=sender)
        message["To"] = address
        message["Subject"] = letter.title
        message["Date"] = formatdate(self._now_s(), localtime=False)
        message["Message-ID"] = f"<{_digest(wording.key, recipient)}@{domain}>"
        message["References"] = f"<{_digest(wording.message.group, recipient)}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message[KEY_HEADER] = wording.key
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message

    async def _hand_over(self, message: EmailMessage, address: str) -> Answer:
        settings = self._settings
        user = settings.smtp_user or None
        password = None if user is None else self._secrets.resolve(settings.smtp_password)
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            timeout=settings.notify_timeout_s,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            username=user,
            password=password,
        )
        try:
            async with asyncio.timeout(settings.notify_timeout_s):
                await client.connect()
                _, said = await client.send_message(message, sender=settings.smtp_from, recipients=[address])
            return delivered(said)
        finally:
            # The server has the mail, or has not; how the conversation ends says nothing about that.
            with suppress(aiosmtplib.SMTPException, TimeoutError, OSError):
                async with asyncio.timeout(QUIT_LIMIT_S):
                    await client.quit()
            client.close()

    @staticmethod
    def _by_code(code: int, reason: str) -> Answer:
        return refused(reason) if code >= 500 else unreachable(reason)


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:_ID_DIGITS]
