"""Settings (参数) are the few numbers that hold for the whole installation."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from schemas.documents.energy import Purpose
from schemas.documents.envelope import Ascending, Entry, Envelope, Strict
from schemas.documents.fields import Duration, Id, duration_ms, fault
from schemas.windows import WindowKind


class Grace(Strict):
    """How long after its end a window stays open for late readings; a quarter settles as its last month does."""

    hour: Duration = "2h"
    day: Duration = "1d"
    month: Duration = "10d"
    year: Duration = "120d"

    def milliseconds(self) -> dict[WindowKind, int]:
        """Return the grace of each window [ms]."""
        hour, day, month, year = (duration_ms(text) for text in (self.hour, self.day, self.month, self.year))
        return {"hour": hour, "day": day, "month": month, "quarter": month, "year": year}


class ReportingYear(Strict):
    """A reporting year (报告年度) and the release that all of it is valued with."""

    year: Annotated[int, Field(ge=1992, le=2199)]
    release: Id


def _once(years: tuple[ReportingYear, ...]) -> tuple[ReportingYear, ...]:
    if len({each.year for each in years}) != len(years):
        raise fault("overlap", "a reporting year pins two releases: keep one")
    return years


class SecondPerson(Entry):
    """Which corrections of readings a second person has to confirm, of those that come from a day on.

    `settled`: those of readings whose hour had settled when they came; `all`: every one; `none`: none.
    """

    corrections: Literal["none", "settled", "all"]


class SettingsSpec(Strict):
    """The grace of each window, what accounts are made for, the releases that reporting years pin, who confirms."""

    grace: Grace = Grace()
    purpose: Purpose | None = None
    reporting: Annotated[tuple[ReportingYear, ...], AfterValidator(_once)] = ()
    second_person: Annotated[tuple[SecondPerson, ...], Ascending] = ()


class Settings(Envelope):
    """The settings of the installation; there is one such document, `settings/default`."""

    kind: Literal["settings"]
    spec: SettingsSpec = SettingsSpec()

    @field_validator("id")
    @classmethod
    def _is_the_only_one(cls, text: str) -> str:
        if text != "default":
            raise fault("bad_id", f"settings {text!r} are not known: the one document of this kind is settings/default")
        return text
