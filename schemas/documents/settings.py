"""Settings (参数) are the few numbers that hold for the whole installation."""

from typing import Literal

from pydantic import field_validator

from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import Duration, duration_ms, fault
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


class SettingsSpec(Strict):
    """The grace of each window."""

    grace: Grace = Grace()


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
