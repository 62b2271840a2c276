"""Sources (出处): what the other tables refer to when they say where a number comes from."""

from schemas.reference.base import Strict, Table


class SourceText(Strict):
    """A document, a copy of one, or a transcription, and where it was found."""

    title: str
    kind: str
    locator: str
    note: str | None = None


class SourceTexts(Table):
    """The table `sources`, by the id that rows name."""

    sources: dict[str, SourceText]
