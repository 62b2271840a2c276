"""Coverage (覆盖率) is how much of a window's time was measured, estimated and missing."""

from dataclasses import dataclass

from services.console.numerals import percent
from streams.stores.series import WindowPoint


@dataclass(frozen=True, slots=True)
class Coverage:
    """The three shares of time, together 1."""

    measured: float
    estimated: float
    missing: float

    @property
    def known(self) -> float:
        """The share of which something is known."""
        return min(self.measured + self.estimated, 1.0)

    @property
    def text(self) -> str:
        """The known share as a percentage."""
        return percent(self.known)

    @property
    def texts(self) -> dict[str, str]:
        """The three shares as percentages."""
        return {
            "measured": percent(self.measured),
            "estimated": percent(self.estimated),
            "missing": percent(self.missing),
        }


def coverage(point: WindowPoint | None) -> Coverage | None:
    """Return how well a window is known; None where nothing was expected of it, or nothing ever heard."""
    if point is None or point.measured is None or point.estimated is None or point.missing is None:
        return None
    return Coverage(point.measured, point.estimated, point.missing)
