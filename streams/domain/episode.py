"""An episode is a stretch of windows in which a rule is passed: where it begins, fires, recovers and ends.

It is walked window by window, and how it stands after some windows follows from what was seen in them alone.
"""

from enum import Enum, auto
from typing import NamedTuple

from streams.domain.alarm import ERROR, FIRING, NO_DATA, PENDING, RECOVERING, Value, Watch


class Sight(Enum):
    """What a window says to a watch."""

    OPEN = auto()  # nothing yet: it has not settled, so that more data may come
    OUTSIDE = auto()  # nothing: the rule does not hold in it
    MISSING = auto()  # that no data came though some were expected
    FAILED = auto()  # that it could not be worked out
    CLEARED = auto()
    BETWEEN = auto()  # neither passed nor cleared, or not enough of it is known to say so
    PASSED = auto()


class Seen(NamedTuple):
    """What a window says, and the place of the gravest step that it passed (-1: none)."""

    sight: Sight
    step: int = -1


def see(watch: Watch, value: Value, *, settled: bool) -> Seen:
    """Return what a window's value says; `settled` tells that no more data is waited for.

    A value beyond a step has passed it, unless more could bring it back. Only a complete one is cleared, since what is
    missing in another could be more.
    """
    if value.micro is None:
        if value.failed:
            return Seen(Sight.FAILED)
        if not settled:
            return Seen(Sight.OPEN)
        # Where nothing was expected nothing is missing.
        return Seen(Sight.BETWEEN if value.coverage is None else Sight.MISSING)
    step = watch.passed(value.micro)
    if step is not None and (value.complete or watch.steps[0].bound.upward):
        return Seen(Sight.PASSED, watch.steps.index(step))
    if value.complete and watch.cleared(value.micro):
        return Seen(Sight.CLEARED)
    return Seen(Sight.BETWEEN if value.complete or settled else Sight.OPEN)


class Course(NamedTuple):
    """How an episode stands: windows by their begin [epoch ms].

    `begin_ms` is the first that passed, `fired_ms` the one with which it fired, if it did, and `step` the place of the
    step that holds, which was passed first in `shown_ms`. `recent` tells of the last windows whether they passed, while
    it has not fired; `calm` counts the windows cleared without a break since `calm_ms`; `lost` is the condition (no
    data, error) since `lost_ms`, where the last window says nothing.
    """

    begin_ms: int
    fired_ms: int | None
    shown_ms: int
    step: int
    recent: tuple[bool, ...] = ()
    calm: int = 0
    calm_ms: int = 0
    lost: str | None = None
    lost_ms: int = 0

    @property
    def condition(self) -> str:
        """The condition of its alarm."""
        if self.lost is not None:
            return self.lost
        if self.fired_ms is None:
            return PENDING
        return RECOVERING if self.calm else FIRING

    @property
    def since_ms(self) -> int:
        """When that condition began [epoch ms]."""
        if self.lost is not None:
            return self.lost_ms
        if self.fired_ms is None:
            return self.begin_ms
        return self.calm_ms if self.calm else self.fired_ms


class Ended(NamedTuple):
    """An episode that is over, and the begin [epoch ms] of the window that ended it."""

    course: Course
    end_ms: int


def advance(watch: Watch, course: Course | None, at_ms: int, seen: Seen) -> tuple[Course | None, Ended | None]:
    """Return the episode that is open after one more window, and the one that this window ended, if any."""
    if seen.sight is Sight.MISSING and watch.no_data == "raise":
        seen = Seen(Sight.PASSED, 0)
    if seen.sight is Sight.OPEN:
        return course, None
    if course is None:
        return _begun(watch, at_ms, seen), None
    if seen.sight is Sight.OUTSIDE:
        return None, Ended(course, at_ms)
    if course.fired_ms is None:
        now = (
            _still_lost(watch, course, at_ms, seen) if course.lost is not None else _nearer(watch, course, at_ms, seen)
        )
        if now is None:
            return _begun(watch, at_ms, seen), Ended(course, at_ms)
        return now, None
    now = _further(watch, course, at_ms, seen)
    return now, None if now is not None else Ended(course, at_ms)


def _begun(watch: Watch, at_ms: int, seen: Seen) -> Course | None:
    lost = _lost(watch, seen)
    if lost is not None:
        return Course(at_ms, None, at_ms, 0, lost=lost, lost_ms=at_ms)
    if seen.sight is not Sight.PASSED:
        return None
    return Course(at_ms, at_ms if watch.need == 1 else None, at_ms, seen.step, (True,))


def _lost(watch: Watch, seen: Seen) -> str | None:
    if seen.sight is Sight.FAILED:
        return ERROR
    return NO_DATA if seen.sight is Sight.MISSING and watch.no_data == "no_data" else None


def _still_lost(watch: Watch, course: Course, at_ms: int, seen: Seen) -> Course | None:
    """Return an episode of nothing but windows that say nothing; None: this one says something."""
    lost = _lost(watch, seen)
    if lost is None:
        return None
    return course if lost == course.lost else course._replace(lost=lost, lost_ms=at_ms)


def _nearer(watch: Watch, course: Course, at_ms: int, seen: Seen) -> Course | None:
    """Return an episode that has not fired yet; None: it never will."""
    passed = seen.sight is Sight.PASSED
    recent = (*course.recent, passed)[-(watch.among or watch.need) :]
    if not any(recent) or (watch.among is None and not passed):
        return None
    if passed:
        course = _shown(course, at_ms, seen)
    return course._replace(recent=recent, fired_ms=at_ms if sum(recent) >= watch.need else None)


def _further(watch: Watch, course: Course, at_ms: int, seen: Seen) -> Course | None:
    """Return an episode that has fired; None: it is over."""
    lost = _lost(watch, seen)
    if lost is not None:
        return course._replace(lost=lost, lost_ms=course.lost_ms if course.lost == lost else at_ms, calm=0)
    if seen.sight is Sight.PASSED:
        course = _shown(course, at_ms, seen)
    if seen.sight is not Sight.CLEARED:
        return course._replace(calm=0, lost=None)
    if course.calm + 1 >= watch.keep:
        return None
    return course._replace(calm=course.calm + 1, calm_ms=course.calm_ms if course.calm else at_ms, lost=None)


def _shown(course: Course, at_ms: int, seen: Seen) -> Course:
    return course if seen.step == course.step else course._replace(step=seen.step, shown_ms=at_ms)
