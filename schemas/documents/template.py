"""A template (模板) is the words of a message as an installation wants them, in Chinese and English.

It is filled in with `FIELDS`; `rows` are pairs of label and text. What a template leaves out is worded as ever.
"""

from typing import Any, Literal, Self

from pydantic import model_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import fault
from schemas.templating import TemplateFaultError, check

# A message of one alarm and a digest, as a template is tried with before it is registered.
SINGLE: dict[str, Any] = {
    "language": "zh-CN", "product": "晴雨",
    "title": "严重告警：示范钢厂 粗钢单位产品能耗 97.235 kgce/t（限值 94 kgce/t）",
    "rows": [["对象", "示范钢厂 (enterprise/bz-steel)"], ["限值", "94 kgce/t"]], "colour": "#b3261e",
    "board": "https://board.example/board/alarm/b8be3fa6c19ff68db305", "open": "在看板中查看",
    "foot": "本消息由晴雨自动发出。", "key": "b8be3fa6c19ff68db305|1", "digest": False, "count": 1,
    "entity": "示范钢厂", "rule": "粗钢单位产品能耗", "condition": "firing", "cause": "raised", "severity": "critical",
    "tier": "limit", "value": "97.235 kgce/t", "limit": "94 kgce/t", "start": "2026-01", "reason": "above 94",
}  # fmt: skip
DIGEST: dict[str, Any] = SINGLE | {
    "title": "告警汇总 32 条：严重告警 2，警告 30", "rows": [["2026-01-05 08:00", "严重告警：示范钢厂"]] * 20,
    "digest": True, "count": 32, "tier": "", "value": "", "limit": "",
}  # fmt: skip
FIELDS = tuple(SINGLE)


class Words(Strict):
    """The same in both languages; a language that is left out is worded as ever."""

    zh: str | None = None
    en: str | None = None


class TemplateSpec(Strict):
    """A title of one line, a text, and the text as HTML for mail."""

    title: Words = Words()
    text: Words = Words()
    html: Words = Words()

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> Self:
        for part in ("title", "text", "html"):
            for language in ("zh", "en"):
                source: str | None = getattr(getattr(self, part), language)
                if source is None:
                    continue
                try:
                    check(source, (SINGLE, DIGEST), html=part == "html")
                except TemplateFaultError as error:
                    raise fault("bad_template", f"{part}.{language}, {error}") from error
        return self


class Template(Envelope):
    """A template (模板)."""

    kind: Literal["template"]
    spec: TemplateSpec
