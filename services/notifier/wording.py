"""The wording of a message: names, a title, a table of what is known, in Chinese and English."""

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.documents import DocumentKey, Template
from schemas.documents.notification import Language
from schemas.escalation import StepEvent
from schemas.ids import IdError, enterprise_of, parse_entity
from schemas.messages import AlarmEvent
from schemas.templating import TemplateFaultError, render
from schemas.windows import local_datetime
from services.notifier.answer import line
from services.notifier.message import Message, single
from streams.domain.escalating import ESCALATED
from streams.domain.registry import Snapshot

LANGUAGES: tuple[Language, ...] = ("zh", "en")
# More digits are for the api; nobody reads them in a mail.
SHOWN_PLACES = Decimal("0.001")

_PRODUCT = {"zh": "晴雨", "en": "Qingyu"}
_GRAVITY = {
    "zh": {"critical": "严重告警", "warning": "警告", "info": "提示"},
    "en": {"critical": "Critical", "warning": "Warning", "info": "Notice"},
}
_CONDITION = {
    "zh": {
        "firing": "告警中",
        "pending": "待确认",
        "established": "已成定局",
        "ok": "已解除",
        "withdrawn": "已撤销",
        "recovering": "恢复中",
        "no_data": "无数据",
        "error": "无法判断",
    },
    "en": {
        "firing": "firing",
        "pending": "pending",
        "established": "established",
        "ok": "cleared",
        "withdrawn": "withdrawn",
        "recovering": "recovering",
        "no_data": "no data",
        "error": "cannot be told",
    },
}
_ENDING = {"zh": {"ok": "告警解除", "withdrawn": "告警撤销"}, "en": {"ok": "Cleared", "withdrawn": "Withdrawn"}}
_CAUSE = {
    "zh": {
        "raised": "超过限值",
        "tier": "档位变化",
        "cleared": "已回到限值以内",
        "corrected": "数据更正后不再成立",
        "unwatched": "限额或规则已停用",
        "amended": "数据更正，仍超过",
        "pending": "超过限值，尚未达到要求的时长",
        "recovering": "已回落，尚未达到要求的时长",
        "resumed": "再次超过",
        "no_data": "没有数据",
        "error": "无法计算",
        "settled": "周期已结算，仍超过",
        "reopened": "周期重新开放",
        "escalated": "无人确认，已升级",
    },
    "en": {
        "raised": "the limit was passed",
        "tier": "another tier was reached",
        "cleared": "back within the limit",
        "corrected": "does not hold after data were corrected",
        "unwatched": "the limit or rule is no longer in force",
        "amended": "data were corrected, and it still holds",
        "pending": "the limit was passed, not yet for as long as the rule asks",
        "recovering": "back within the limit, not yet for as long as the rule asks",
        "resumed": "the limit was passed again",
        "no_data": "no data came",
        "error": "it could not be worked out",
        "settled": "the period has settled, and it still holds",
        "reopened": "the period is open again",
        "escalated": "nobody acknowledged it",
    },
}
_ESCALATED = {"zh": "升级·", "en": "Escalated, "}
_LABELS = {
    "zh": ("对象", "规则", "状态", "原因", "当前值", "限值", "档位", "周期起点", "自", "获知时间", "依据", "覆盖率"),
    "en": ("Entity", "Rule", "Condition", "Cause", "Value", "Limit", "Tier", "Period from", "Since", "Known", "Basis",
           "Coverage"),
}  # fmt: skip
# What the notifier itself says of channels.
_OWN_RULES = {
    "delivery-failure": {"zh": "消息通道故障", "en": "channel does not deliver"},
    "channel-check": {"zh": "消息通道每日检查", "en": "daily check of the channel"},
}
_FOOT = {
    "zh": "本消息由晴雨自动发出。同一事件重复发送时编号不变。",
    "en": "Sent by Qingyu. A repeat of this message carries the same key.",
}
_OPEN = {"zh": "在看板中查看", "en": "Open the board"}

_log = structlog.get_logger(__name__)
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=lambda name: name is not None and ".html" in name,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written to people; the title is one line."""

    title: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The words for one message, with the names of a registry; `board` is the address of its page.

    What is said of `event` is said of the only event of a message, or of the gravest of a digest.
    """

    message: Message
    snapshot: Snapshot
    board: str

    @property
    def event(self) -> AlarmEvent:
        """The message's event, of a digest the gravest."""
        return self.message.events[0]

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.message.key

    def name(self, key: DocumentKey, language: Language) -> str | None:
        """Return the name of a document in a language, in the other where it has no such; None without any."""
        document = self.snapshot.documents.get(key)
        if document is None:
            return None
        names = (document.name.zh, document.name.en)
        first, second = names if language == "zh" else reversed(names)
        return first or second

    def entity(self, language: Language) -> str:
        """Return what people call the entity; a meter with its enterprise."""
        kind, _, id_ = self.event.entity.partition("/")
        if kind == "recipient":
            return self.name(DocumentKey(kind, id_), language) or id_
        try:
            key = DocumentKey(*parse_entity(self.event.entity))
        except IdError:
            return self.event.entity
        own = self.name(key, language) or key.id
        enterprise = enterprise_of(self.event.entity)
        if key.kind != "meter" or enterprise is None:
            return own
        return f"{self.name(DocumentKey('enterprise', enterprise), language) or enterprise} · {own}"

    def rule(self, language: Language) -> str:
        """Return what people call the rule or limit."""
        id_ = self.event.rule
        if id_ in _OWN_RULES:
            return _OWN_RULES[id_][language]
        return self.name(DocumentKey("rule", id_), language) or self.name(DocumentKey("limit", id_), language) or id_

    def title(self, language: Language) -> str:
        """Return the message in one line."""
        if self.message.digest is not None:
            return line(self._sum(language))
        event = self.event
        head = _ENDING[language].get(event.condition) or _GRAVITY[language].get(event.severity, event.severity)
        if event.cause == ESCALATED:
            head = f"{_ESCALATED[language]}{head}"
        value, limit = _amount(event.value, event.unit), _amount(event.limit, event.unit)
        if language == "zh":
            what = f"{self.entity('zh')} {self.rule('zh')}"
            figures = f" {value}" if value else ""
            return line(f"{head}：{what}{figures}" + (f"（限值 {limit}）" if limit else ""))
        figures = f" {value}" if value else ""
        return line(f"{head}: {self.entity('en')}, {self.rule('en')}{figures}" + (f" (limit {limit})" if limit else ""))

    def rows(self, language: Language) -> list[tuple[str, str]]:
        """Return what is known, label and text, without what is not; of a digest its events, the gravest first."""
        if self.message.digest is not None:
            return [(_instant(one.known), self._of(one).title(language)) for one in self.message.events]
        event = self.event
        values = (
            f"{self.entity(language)} ({event.entity})",
            f"{self.rule(language)} ({event.rule})",
            _CONDITION[language].get(event.condition, event.condition),
            self._cause(event, language),
            _amount(event.value, event.unit),
            _amount(event.limit, event.unit),
            event.tier or "",
            event.start.replace("T", " ") + (":00" if "T" in event.start else ""),
            _instant(event.since),
            _instant(event.known),
            event.reason,
            "" if event.coverage is None else f"{event.coverage:.0%}",
        )
        return [(label, line(text)) for label, text in zip(_LABELS[language], values, strict=True) if text]

    def _cause(self, event: AlarmEvent, language: Language) -> str:
        if isinstance(event, StepEvent):
            return event.because_zh if language == "zh" else event.because
        return _CAUSE[language].get(event.cause, event.cause)

    def _of(self, event: AlarmEvent) -> "Wording":
        return Wording(single(event), self.snapshot, self.board)

    def _sum(self, language: Language) -> str:
        heads = _ENDING[language] | _GRAVITY[language]
        parts = [(heads.get(name, name), count) for name, count in self.message.counts.items()]
        total = len(self.message.members)
        if language == "zh":
            return f"告警汇总 {total} 条：" + "，".join(f"{head} {count}" for head, count in parts)
        return f"Digest of {total} alarm events: " + ", ".join(f"{head} {count}" for head, count in parts)

    def letter(self, language: Language, template: str | None = None) -> Letter:
        """Return the message as people read it; `template` is the id of the document that words it, if any does."""
        fields: dict[str, Any] = {
            "language": {"zh": "zh-CN", "en": "en"}[language],
            "product": _PRODUCT[language],
            "title": self.title(language),
            "rows": self.rows(language),
            "colour": _colour(self.event),
            "board": self.board,
            "open": _OPEN[language],
            "foot": _FOOT[language],
            "key": self.key,
        }
        usual = Letter(
            f"[{_PRODUCT[language]}] {fields['title']}",
            _templates.get_template("mail.txt.jinja").render(fields),
            _templates.get_template("mail.html.jinja").render(fields),
        )
        found = None if template is None else self.snapshot.documents.get(DocumentKey("template", template))
        return self._worded(usual, found, language, fields) if isinstance(found, Template) else usual

    def _worded(self, usual: Letter, template: Template, language: Language, fields: dict[str, Any]) -> Letter:
        event = self.event
        one = self.message.digest is None
        filled = fields | {
            "digest": not one,
            "count": len(self.message.members),
            "entity": self.entity(language),
            "rule": self.rule(language),
            "condition": event.condition,
            "cause": event.cause,
            "severity": event.severity,
            "tier": event.tier or "" if one else "",
            "value": _amount(event.value, event.unit) if one else "",
            "limit": _amount(event.limit, event.unit) if one else "",
            "start": event.start,
            "reason": event.reason,
        }
        parts: dict[str, str] = {}
        for part in ("title", "text", "html"):
            source: str | None = getattr(getattr(template.spec, part), language)
            try:
                parts[part] = getattr(usual, part) if source is None else render(source, filled, html=part == "html")
            except TemplateFaultError as error:
                # It passed when it was registered; what it cannot word is said as ever, since it must be said.
                _log.warning("a template could not be filled in", template=template.id, part=part, fault=str(error))
                parts[part] = getattr(usual, part)
        return Letter(line(parts["title"]), parts["text"], parts["html"])

    def body(self, recipient: str, url: str) -> bytes:
        """Return the message as programs read it; docs/notify.md has its shape."""
        event = self.event
        if self.message.digest is not None:
            return msgspec.json.encode(
                {
                    "v": 1,
                    "type": "alarm.digest",
                    "key": self.key,
                    "recipient": recipient,
                    "title": {language: self.title(language) for language in LANGUAGES},
                    "links": {"digest": url, "board": self.board},
                    "counts": self.message.counts,
                    "keys": self.message.keys,
                    "worst": self.message.events,
                }
            )
        return msgspec.json.encode(
            {
                "v": 1,
                "type": "alarm.event",
                "key": self.key,
                "recipient": recipient,
                "title": {language: self.title(language) for language in LANGUAGES},
                "entity": {
                    "id": event.entity,
                    "name": {language: self.entity(language) for language in LANGUAGES},
                },
                "rule": {"id": event.rule, "name": {language: self.rule(language) for language in LANGUAGES}},
                "links": {"alarm": url, "board": self.board},
                "event": event,
            }
        )


def _amount(text: str | None, unit: str) -> str:
    if text is None:
        return ""
    try:
        value = Decimal(text)
        if -value.as_tuple().exponent > 3:  # pyright: ignore[reportOperatorIssue]  no infinity stands in an event
            value = value.quantize(SHOWN_PLACES, ROUND_HALF_EVEN).normalize()
        text = format(value, "f")
    except (InvalidOperation, TypeError):
        pass
    return f"{text} {unit}".strip()


def _instant(ms: int) -> str:
    at: dt.datetime = local_datetime(ms)
    return f"{at:%Y-%m-%d %H:%M}"


def _colour(event: AlarmEvent) -> str:
    if event.condition == "ok":
        return "#146c43"
    if event.condition == "withdrawn":
        return "#44546a"
    return {"critical": "#b3261e", "warning": "#8a5a00"}.get(event.severity, "#0b6e5a")
