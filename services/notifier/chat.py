"""A robot speaks in a group chat. It answers HTTP 200 to whatever it got; whether it said it is a code in the body.

What it says may have so many bytes; a text that is longer is cut at a character's edge and says that it was cut. No
robot looks at a key, so a repeat is shown twice; the key stands at the text's end for those who read.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import msgspec

from schemas.documents import Recipient
from schemas.documents.channel import Channels, DingTalk, Feishu, WeCom
from schemas.documents.notification import Language
from services.notifier.answer import Answer, Trouble, delivered, denied, hiding, line, refused, unreachable
from services.notifier.post import PostingChannel, Reply, by_status
from services.notifier.wording import Wording
from services.secrets import SecretError

_CUT = {"zh": "……（内容过长，已截断）", "en": "… (too long, cut here)"}


class Chat(NamedTuple):
    """What a robot says; `tail` stands in place of what is cut off: that it was, the link, and the key."""

    title: str
    text: str
    tail: str


def chat(wording: Wording, language: Language, template: str | None) -> Chat:
    """Return a message for a group chat."""
    letter = wording.letter(language, template)
    return Chat(letter.title, letter.text.strip(), f"\n{_CUT[language]}\n{wording.board}\n{wording.key}")


def cut(text: str, limit_bytes: int, tail: str) -> str:
    """Return a text of at most so many bytes of UTF-8, cut at a character's edge and ended by `tail` if longer."""
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    room = max(0, limit_bytes - len(tail.encode()))
    return (data[:room].decode(errors="ignore") + tail).encode()[:limit_bytes].decode(errors="ignore")


def fitting(make: Callable[[str], bytes], found: Chat, limit_bytes: int) -> bytes:
    """Return the body that `make` makes of a text, the text cut until the body has at most so many bytes."""
    room = limit_bytes
    while len(body := make(cut(found.text, room, found.tail))) > limit_bytes and room > 0:
        room -= len(body) - limit_bytes
    return body


class ChatChannel(PostingChannel, ABC):
    """The channel to the robots of one kind, of `name`; a kind says how it is asked and what it answers.

    `fields` are where its code and its words stand, `codes` what its codes mean (0: said; of one that is not there the
    status counts, and with a good status it is refused), and `pause_s` [s] how long it wants silence after too much.
    """

    guarded = False  # the address is the installation's own setting
    name: ClassVar[str]
    codes: ClassVar[Mapping[int, Trouble]]
    fields: ClassVar[tuple[str, str]]
    pause_s: ClassVar[float]

    @abstractmethod
    def robot(self, channels: Channels) -> DingTalk | WeCom | Feishu | None:
        """Return a recipient's robot of this kind."""

    @abstractmethod
    def asked(self, found: Chat, token: str, key: str) -> tuple[str, bytes]:
        """Return address and body that say something; `key` is "" where the robot has none to sign with."""

    async def send(self, recipient: Recipient, wording: Wording) -> Answer:
        """Send one message and return what the robot said; raises nothing that a server can cause."""
        robot = self.robot(recipient.spec.channels)
        if robot is None:
            return refused(f"the recipient has no {self.name} robot any more")
        reference = None if isinstance(robot, WeCom) else robot.secret
        try:
            token = self._secrets.resolve(robot.robot)
            key = "" if reference is None else self._secrets.resolve(reference)
        except SecretError as error:
            return denied(str(error))
        url, body = self.asked(chat(wording, recipient.spec.language, recipient.spec.template), token, key)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        secrets = (token, key)
        reply = await self._poster.send(url, body, headers, body_counts=True, secrets=secrets)
        return reply if isinstance(reply, Answer) else self._said(reply, secrets)

    def _said(self, reply: Reply, secrets: tuple[str, ...]) -> Answer:
        now_s = self._now_s()
        try:
            said: Any = msgspec.json.decode(reply.body)
            code = int(said[self.fields[0]])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
            # Not the robot speaks, but something between, as a proxy's page of 200 or 502.
            text = hiding(reply.body.decode(errors="replace"), secrets)
            return by_status(reply, now_s, secrets) or unreachable(f"HTTP {reply.status}, but no code in: {text}")
        words = line(hiding(f"{self.fields[0]} {code}: {said.get(self.fields[1], '')}", secrets))
        if code == 0:
            return delivered(words)
        trouble = self.codes.get(code)
        if trouble is None:
            return by_status(reply, now_s, secrets) or refused(words)
        return Answer(trouble, words, self.pause_s if trouble is Trouble.LIMITED else None)
