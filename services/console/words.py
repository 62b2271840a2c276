"""Words are the texts of the board in one language, from its catalogue `texts/LANGUAGE.yaml`."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import yaml

LANGUAGES = ("zh", "en")
DEFAULT = "zh"
# What the attribute `lang` of a page says.
TAGS = {"zh": "zh-CN", "en": "en"}
_FOLDER = Path(__file__).parent / "texts"


class Words:
    """The texts of a language, by key; `words(key, name=value)` fills in its places."""

    __slots__ = ("language", "texts")

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = texts

    @property
    def tag(self) -> str:
        """The language tag (BCP 47)."""
        return TAGS[self.language]

    def __call__(self, key: str, **values: object) -> str:
        """Return a text; raise KeyError for a key that the catalogue lacks."""
        text = self.texts[key]
        return text.format(**values) if values else text

    def known(self, group: str, name: str) -> str:
        """Return the text `group.name`; what the catalogue does not know is called by its own name."""
        return self.texts.get(f"{group}.{name}", name)


@lru_cache
def words(language: str) -> Words:
    """Return the words of a language."""
    texts = yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    return Words(language, texts)


def language_of(accepted: str) -> str:
    """Return the language for an `Accept-Language` header: the first that there is, by weight; else the default."""
    weighted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            weight = 0.0
        weighted.append((-weight, place, tag.partition("-")[0].lower()))
    return next((name for weight, _, name in sorted(weighted) if name in LANGUAGES and weight < 0), DEFAULT)
