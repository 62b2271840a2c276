"""Weather (晴雨) is how things stand with an entity at a glance: the barometer of its alarms, tiers and coverage."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

# With less than half of the time known, nobody can tell how things stand.
SEEN_SHARE = 0.5


class Weather(StrEnum):
    """From the calmest to the gravest: all in order; too little is known; a notice; a warning; something critical."""

    CLEAR = "clear"
    FOG = "fog"
    CLOUDY = "cloudy"
    RAIN = "rain"
    STORM = "storm"

    @property
    def rank(self) -> int:
        """The place in the order of gravity."""
        return _ORDER[self]


_ORDER = {weather: rank for rank, weather in enumerate(Weather)}
BY_SEVERITY = {"info": Weather.CLOUDY, "warning": Weather.RAIN, "critical": Weather.STORM}


def worst(several: Iterable[Weather]) -> Weather:
    """Return the gravest of several; of none, fog."""
    return max(several, key=lambda one: one.rank, default=Weather.FOG)


def weather(severities: Iterable[str], known_share: float | None) -> Weather:
    """Return the weather of an entity: the gravest of what is open or passed there, or else whether one can see.

    `known_share` is the measured and estimated share of its latest window, None where nothing was heard.
    """
    grave = [BY_SEVERITY.get(one, Weather.CLOUDY) for one in severities]
    if grave:
        return worst(grave)
    return Weather.CLEAR if known_share is not None and known_share >= SEEN_SHARE else Weather.FOG


def counts(several: Iterable[Weather]) -> list[tuple[Weather, int]]:
    """Return how many there are of each, the gravest first; those that do not occur are left out."""
    found = Counter(several)
    return [(one, found[one]) for one in sorted(found, key=lambda one: -one.rank)]
