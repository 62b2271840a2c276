"""A walk goes through an entity's windows from the first that changed, and brings its episodes' alarms up to date.

It ends where everything is as it was before, so a late reading costs what it changes, not the time since.
"""

from bisect import bisect_left
from typing import NamedTuple

from schemas.messages import Condition
from schemas.windows import Window, window, window_at
from streams.domain.alarm import FIRING, NO_DATA, OK, WITHDRAWN, Facts, Watch
from streams.domain.episode import Course, Seen, Sight, advance
from streams.domain.evaluating import Alarms, Means, reason_of, see_in, take, text_of
from streams.domain.observing import observe


class _Stretch(NamedTuple):
    """An episode to be put: how it stands, and since when; of one that is over since the window that ended it."""

    course: Course
    condition: str
    since_ms: int


class _Walk:
    """The episodes of one watch on one entity."""

    def __init__(self, watch: Watch, entity: str, means: Means, alarms: Alarms, known_ms: int) -> None:
        self._watch = watch
        self._entity = entity
        self._means = means
        self._alarms = alarms
        self._known_ms = known_ms
        self._starts = [window(name).start_ms for name in alarms.starts(watch.rule)]

    def go(self, first: Window, last: Window) -> None:
        """Walk from the first changed window on, until past the last one the same episode stands as before."""
        watch, end_of_data = self._watch, self._alarms.last_ms()
        found: dict[int, _Stretch] = {}
        at, course = self._resumed(first.start_ms)
        seen: Seen | None = None  # in a window behind the last one that changed
        while at < end_of_data and not (at >= last.end_ms and self._stands(course, at, seen, first.start_ms)):
            each = window_at(at, watch.window)
            seen = self._seen(each)
            course, ended = advance(watch, course, at, seen)
            if ended is not None:
                found[ended.course.begin_ms] = _Stretch(ended.course, OK, ended.end_ms)
            if at < last.end_ms:
                seen = None
            at = each.end_ms
        if course is not None:
            stood = self._stored(course.begin_ms) if at < end_of_data else None
            if stood is not None:
                course = course._replace(fired_ms=stood.fired)
                found[course.begin_ms] = _Stretch(course, OK if _is_over(stood) else stood.condition, stood.since)
            else:
                found[course.begin_ms] = _Stretch(course, course.condition, course.since_ms)
        for begin_ms in self._starts[bisect_left(self._starts, first.start_ms) :]:
            if begin_ms >= at:
                break
            if begin_ms not in found:
                self._withdraw(begin_ms)
        for _, stretch in sorted(found.items()):
            self._put(stretch)

    def _seen(self, each: Window) -> Seen:
        if not self._means(each):
            return Seen(Sight.OUTSIDE)
        return see_in(self._watch, each, observe(self._watch, each, self._alarms), self._alarms)

    def _stored(self, begin_ms: int) -> Condition | None:
        """Return the alarm of an episode that is there by what is known, be it over."""
        name = window_at(begin_ms, self._watch.window).name
        condition = self._alarms.condition(self._watch.rule, name)
        return None if condition is None or condition.shown is None else condition

    def _open_at(self, at_ms: int) -> tuple[int, Condition] | None:
        """Return the begin and the alarm of the episode that was open when the window at `at_ms` began."""
        for begin_ms in reversed(self._starts[: bisect_left(self._starts, at_ms)]):
            condition = self._stored(begin_ms)
            if condition is not None:
                return None if _is_over(condition) and condition.since < at_ms else (begin_ms, condition)
        return None

    def _resumed(self, at_ms: int) -> tuple[int, Course | None]:
        """Return from where to walk on, so that the episode that is open there is known in full."""
        found = self._open_at(at_ms)
        if found is None:
            return at_ms, None
        begin_ms, condition = found
        fired_ms, shown_ms = condition.fired, condition.shown
        if fired_ms is None or shown_ms is None or fired_ms >= at_ms or shown_ms >= at_ms:
            return begin_ms, None
        course = Course(begin_ms, fired_ms, shown_ms, self._step(condition, shown_ms))
        watch = self._watch
        if condition.condition == FIRING and watch.keep == 1 and watch.no_data != NO_DATA and watch.observed is None:
            return at_ms, course
        if condition.condition == NO_DATA and condition.since < at_ms:
            return at_ms, course._replace(lost=NO_DATA, lost_ms=condition.since)
        return self._before_what_is_calm(at_ms, fired_ms), course

    def _before_what_is_calm(self, at_ms: int, fired_ms: int) -> int:
        """Return the begin of the windows before `at_ms` that are cleared or say nothing."""
        calm = 0
        while calm < self._watch.keep:
            each = window_at(at_ms - 1, self._watch.window)
            sight = self._seen(each).sight if each.start_ms > fired_ms else Sight.PASSED
            lost = sight is Sight.FAILED or (sight is Sight.MISSING and self._watch.no_data == "no_data")
            if not lost and sight not in (Sight.CLEARED, Sight.OPEN):
                break
            calm += sight is Sight.CLEARED
            at_ms = each.start_ms
        return at_ms

    def _step(self, condition: Condition, shown_ms: int) -> int:
        steps = self._watch.steps
        if len(steps) == 1:
            return 0
        # The condition of an episode that is over names no tier, but its value stays as it is.
        seen = self._seen(window_at(shown_ms, self._watch.window))
        return max(0, next((place for place, step in enumerate(steps) if step.tier == condition.tier), seen.step))

    def _stands(self, course: Course | None, at_ms: int, seen: Seen | None, first_ms: int) -> bool:
        """Tell whether the episode that is open when the window at `at_ms` begins is the same as before the walk.

        `seen` is what the window before says, None where that changed. What is kept of an episode does not tell how it
        stood then. It stood as it does now if it had fired with the same window, the window before neither clears it
        nor says nothing, and no step was passed anew since the first window that changed, at `first_ms`.
        """
        found = self._open_at(at_ms)
        if course is None or found is None:
            return course is None and found is None
        if seen is None or course.fired_ms is None or course.lost is not None:
            return False
        if seen.sight in (Sight.OPEN, Sight.CLEARED):
            return False
        begin_ms, condition = found
        return (
            (begin_ms, course.fired_ms, course.shown_ms) == (course.begin_ms, condition.fired, condition.shown)
            and course.fired_ms < at_ms
            and (course.shown_ms < first_ms or len(self._watch.steps) == 1)
        )

    def _withdraw(self, begin_ms: int) -> None:
        condition = self._stored(begin_ms)
        if condition is not None:
            start = window_at(begin_ms, self._watch.window)
            value = observe(self._watch, start, self._alarms)
            facts = Facts(OK, None, value, begin_ms, "the values that raised it were corrected", gone=True)
            take(self._watch, self._entity, start.name, condition, facts, self._alarms, self._known_ms)

    def _put(self, stretch: _Stretch) -> None:
        watch, alarms, course = self._watch, self._alarms, stretch.course
        start, shown = window_at(course.begin_ms, watch.window), window_at(course.shown_ms, watch.window)
        value = observe(watch, shown, alarms)
        before = alarms.condition(watch.rule, start.name)
        step = watch.steps[course.step] if course.lost is None or course.fired_ms is not None else None
        reason = reason_of(watch, step, value)
        facts = Facts(
            stretch.condition, step, value, stretch.since_ms, reason,
            settled=alarms.settled(start), fired_ms=course.fired_ms, shown_ms=course.shown_ms,
        )  # fmt: skip
        ended = before is None or before.fired is None or before.condition == WITHDRAWN
        again = before is not None and before.condition == OK and stretch.condition != OK
        if course.fired_ms is not None and (ended or again):
            # Whatever came of it, it fired: who is to be told of its end has to be told of its begin.
            raised = facts._replace(condition=FIRING, since_ms=course.fired_ms)
            before = take(watch, self._entity, start.name, before, raised, alarms, self._known_ms)
        if stretch.condition == OK:
            facts = facts._replace(step=None, reason=self._ending(stretch))
        take(watch, self._entity, start.name, before, facts, alarms, self._known_ms)

    def _ending(self, stretch: _Stretch) -> str:
        closing = window_at(stretch.since_ms, self._watch.window)
        if not self._means(closing):
            return f"the rule does not hold in {closing.name}"
        if stretch.course.fired_ms is None:
            return f"it did not last beyond {closing.name}"
        value = observe(self._watch, closing, self._alarms)
        return f"cleared in {closing.name} at {text_of(value)} {self._watch.unit}"


def _is_over(condition: Condition) -> bool:
    # Withdrawn, but there: it came near to what it once was held to have reached.
    return condition.condition in (OK, WITHDRAWN)


def walk(watch: Watch, entity: str, first: Window, last: Window, means: Means, alarms: Alarms, known_ms: int) -> None:
    """Bring the alarms of a watch's episodes up to date after the windows from `first` to `last` changed."""
    _Walk(watch, entity, means, alarms, known_ms).go(first, last)
