"""A moment is a subject with what is gathered of it, in one language: what every cell of its page is made from."""

from collections.abc import Iterable
from functools import cached_property

from schemas.ids import enterprise_of
from schemas.messages import Condition
from schemas.windows import Window, window_at
from services.console.coverage import Coverage, coverage
from services.console.gathering import Gathered, Section
from services.console.numerals import Amount, amount
from services.console.standing import Standing
from services.console.subject import CARBON, ENERGY, EQUIVALENT, Held, Subject, Thing
from services.console.trend import Trend, trend
from services.console.weather import Weather, weather, worst
from services.console.words import Words
from streams.stores.series import WindowPoint

PERIODS = ("hour", "day", "month", "year")
UNITS = {ENERGY: "kgce", EQUIVALENT: "kgce", CARBON: "kgCO2"}


class Moment:
    """What is known of a subject, ready to be asked for; nothing in it changes."""

    def __init__(self, subject: Subject, gathered: Gathered, words: Words) -> None:
        self.subject = subject
        self.gathered = gathered
        self.words = words
        self._sections: dict[str, Section] = {
            "hour": gathered.hour,
            "day": gathered.day,
            "month": gathered.slow.month,
            "year": gathered.slow.year,
        }

    def name(self, thing: Thing) -> str:
        """Return the name of a thing."""
        return thing.name(self.words.language)

    def name_of(self, key: str) -> str:
        """Return the name of what a key (`kind/id`) names, the key itself where it is not on this page."""
        thing = self._things.get(key)
        return key if thing is None else self.name(thing)

    def rule_name(self, id_: str) -> str:
        """Return the name of a rule or limit."""
        thing = self._things.get(f"rule/{id_}") or self._things.get(f"limit/{id_}")
        return id_ if thing is None else self.name(thing)

    @cached_property
    def _things(self) -> dict[str, Thing]:
        subject = self.subject
        several = [subject.thing, *subject.trail, *subject.districts, *subject.rules]
        several += [one.thing for one in subject.members] + [one.thing for one in subject.meters]
        return {one.key: one for one in several}

    def window(self, period: str) -> Window:
        """Return the window that the page shows of a period: for the hour the newest that has a value."""
        at_ms = self.gathered.hour_ms if period == "hour" else self.gathered.now_ms
        return window_at(at_ms, period)  # type: ignore[arg-type]

    def point(self, period: str, entity: str, metric: str) -> WindowPoint | None:
        """Return a point of the window shown of a period."""
        return self._sections[period].get((entity, metric))

    def value(self, period: str, entity: str, metric: str) -> float | None:
        """Return its value in the unit that people read (tce, tCO2); None where it is not known."""
        return self.amount(period, entity, metric).value

    def amount(self, period: str, entity: str, metric: str) -> Amount:
        """Return its value with that unit."""
        point = self.point(period, entity, metric)
        return amount(None if point is None else point.value, UNITS[metric])

    def coverage(self, period: str, entity: str) -> Coverage | None:
        """Return how well an entity's energy of a period is known."""
        return coverage(self.point(period, entity, ENERGY))

    @cached_property
    def trend(self) -> Trend:
        """The subject's day against the day before."""
        return trend(self.gathered.hours, self.gathered.day_ms, self.gathered.now_ms)

    @cached_property
    def standings(self) -> list[tuple[Held, Standing]]:
        """Every limit with where its indicator stands, first those that have a value."""
        several = list(zip(self.subject.held, self.gathered.slow.standings, strict=False))
        return sorted(several, key=lambda one: one[1].value is None)

    @cached_property
    def weathers(self) -> dict[str, Weather]:
        """The weather of every enterprise and territory of the page."""
        subject = self.subject
        own = {one: self._own_weather(one) for one in subject.entities}
        if subject.kind == "territory":
            for territory in [one.key for one in subject.districts] + [subject.thing.key]:
                inside = [
                    own[one.thing.key]
                    for one in subject.members
                    if territory == subject.thing.key or territory in one.territories
                ]
                alarmed = list(self._severities(territory))
                own[territory] = worst([*inside, *([weather(alarmed, None)] if alarmed else [])])
        return own

    def _own_weather(self, entity: str) -> Weather:
        seen = self.coverage("day", entity) or self.coverage("hour", entity)
        return weather(self._severities(entity), None if seen is None else seen.known)

    def _severities(self, entity: str) -> Iterable[str]:
        for alarm in self.gathered.alarms:
            if alarm.entity == entity or f"enterprise/{enterprise_of(alarm.entity)}" == entity:
                yield alarm.severity
        for held, standing in self.standings:
            if held.entity.key == entity and standing.passed is not None:
                yield standing.passed.severity

    @cached_property
    def newest_alarm(self) -> Condition | None:
        """The open alarm that became known last."""
        return max(self.gathered.alarms, key=lambda one: (one.known, one.id), default=None)
