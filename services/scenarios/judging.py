"""A judgement holds what a story expects at a moment against what is there: each difference with its line in the file.

Additive values are equal or not, to the last of their 1e-6; ratios and shares are compared at the digits that the
story gives, rounded half-even.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple, Protocol

from schemas.decimals import MICRO, parse_decimal
from schemas.messages import Condition, Finding
from schemas.scenarios import AlarmExpected, FindingExpected, Worth, digits_of, parse_instant, parse_window, parse_worth
from schemas.units import conversion
from schemas.windows import Window, local_datetime
from services.scenarios.files import Story
from services.scenarios.people import Told
from services.scenarios.telling import Chapter, Expectation
from streams.domain.alarm import OPEN
from streams.domain.lookup import Known

# What is a quotient, so that not all of its digits can be written.
_RATIOS = ("ind.", "avg.", "rate.")
SHARES = ("measured", "estimated", "missing")


class Answers(Protocol):
    """What can be asked of an installation at a moment."""

    def known(self, entity: str, metric: str, window: Window) -> Known:
        """Return what is known of a metric of an entity in a window."""
        ...

    def findings(self) -> Iterable[Finding]:
        """Return all findings, open or closed."""
        ...

    def conditions(self) -> Iterable[Condition]:
        """Return all alarms as they stand."""
        ...


class Difference(NamedTuple):
    """What is not as the story says: where it says so, the moment, what it is about, and both sides as text."""

    file: str
    line: int
    at: str
    entity: str
    metric: str
    window: str
    expected: str
    found: str

    def __str__(self) -> str:
        about = " ".join(part for part in (self.at, self.entity, self.window, self.metric) if part)
        return f"{self.file}:{self.line}: {about}: expected {self.expected}, found {self.found}"


class Judge:
    """Counts what was held against what, and keeps the differences.

    With `history` off only what depends on neither order nor moment of arrival is asked: of an alarm, whether it fires.
    """

    def __init__(self, story: Story, *, history: bool = True) -> None:
        self.checks = 0
        self.differences: list[Difference] = []
        self._story = story
        self._history = history

    def judge(self, chapter: Chapter, answers: Answers, refused: Iterable[str]) -> None:
        """Hold a moment's expectations against what is there; `refused` is what was not accepted, code first."""
        if self._history:
            self._rejections(chapter, list(refused))
        for one in chapter.expectations:
            found = answers.known(one.entity, "time.expected" if one.metric == "status" else one.metric, one.window)
            self._expectation(chapter, one, found)
        if chapter.moment.findings is not None:
            self._findings(chapter, chapter.moment.findings, [one for one in answers.findings() if one.open])
        if chapter.moment.alarms is not None:
            self._alarms(chapter, chapter.moment.alarms, list(answers.conditions()))

    def judge_people(self, chapter: Chapter, told: Iterable[Told], undone: Iterable[str]) -> None:
        """Hold what people must have been told against what they were; `undone` is what they could not do."""
        for text in undone:
            self._differ(chapter, f"{chapter.path}.people", ("", "people", ""), "done", text)
        expected = chapter.moment.told
        if expected is None:
            return
        path, left = f"{chapter.path}.told", list(told)
        self.checks += max(1, len(expected))
        for place, one in enumerate(expected):
            entity, start = chapter.named[one.of or ""], parse_window(one.start, chapter.moment.of_day).name
            at_ms = None if one.at is None else parse_instant(one.at, chapter.moment.of_day)
            wanted = (one.to, one.rule, entity, start, one.condition, one.step)
            found = [each for each in left if each[:-1] == wanted and at_ms in (None, each.at_ms)]
            if found:
                left.remove(found[0])
            else:
                said = "; ".join(_told(each) for each in left) or "nothing"
                step = "" if one.step is None else f" step {one.step}"
                text = f"{one.to} {one.condition}{step}" + ("" if one.at is None else f" at {one.at}")
                self._differ(chapter, f"{path}.{place}", (entity, one.rule, start), text, said)
        if left:
            self._differ(chapter, path, ("", "told", ""), "nothing else", "; ".join(_told(each) for each in left))

    def _differ(self, chapter: Chapter, path: str, about: tuple[str, str, str], expected: str, found: str) -> None:
        page = self._story.page
        self.differences.append(Difference(page.file, page.line_of(path), chapter.moment.at, *about, expected, found))

    def _rejections(self, chapter: Chapter, refused: list[str]) -> None:
        expected = sorted(chapter.moment.rejected)
        if not expected and not refused:
            return
        self.checks += 1
        if sorted(text.partition(" ")[0] for text in refused) != expected:
            path = f"{chapter.path}.rejected" if expected else f"{chapter.path}.readings"
            about = ("", "rejected", "")
            self._differ(chapter, path, about, ", ".join(expected) or "nothing", "; ".join(refused) or "nothing")

    def _expectation(self, chapter: Chapter, one: Expectation, found: Known) -> None:
        self.checks += 1
        about = (one.entity, one.metric, one.window.name)
        if one.metric == "status":
            if str(found.status) != one.text:
                self._differ(chapter, one.path, about, _known(one.text), _known(str(found.status)))
            return
        worth = parse_worth(one.text)
        if not _holds(worth, one, found):
            expected = _said(worth.value, worth, {name: getattr(worth, name) for name in SHARES}, one.unit)
            self._differ(chapter, one.path, about, expected, _found(worth, one, found))

    def _findings(self, chapter: Chapter, expected: tuple[FindingExpected, ...], found: list[Finding]) -> None:
        path = f"{chapter.path}.findings"
        self.checks += max(1, len(expected))
        if not expected and found:
            self._differ(chapter, path, ("", "findings", ""), "none", "; ".join(_finding(one) for one in found))
        for place, one in enumerate(expected):
            meter = self._meter(one.meter)
            mine = [each for each in found if _is(one, meter, each, chapter)]
            if bool(mine) != one.open:
                texts = [_finding(each) for each in found if each.meter == meter] or ["none"]
                wanted = " ".join(part for part in (one.rule, one.reason, one.from_, one.to) if part) or "a finding"
                self._differ(
                    chapter, f"{path}.{place}", (meter, "findings", ""),
                    wanted if one.open else f"no {wanted}", "; ".join(texts),
                )  # fmt: skip

    def _meter(self, text: str) -> str:
        return "meter/" + (text if "." in text else f"{self._story.enterprise}.{text}")

    def _alarms(self, chapter: Chapter, expected: tuple[AlarmExpected, ...], found: list[Condition]) -> None:
        path = f"{chapter.path}.alarms"
        self.checks += max(1, len(expected))
        firing = [one for one in found if one.condition == "firing"]
        if not expected and firing:
            self._differ(chapter, path, ("", "alarms", ""), "none", "; ".join(_alarm(one) for one in firing))
        for place, one in enumerate(expected):
            of = one.of or self._story.enterprise or ""
            entity = of if "/" in of else f"meter/{of}" if "." in of else f"enterprise/{of}"
            start = parse_window(one.start, chapter.moment.of_day).name
            mine = [each for each in found if (each.rule, each.entity, each.start) == (one.rule, entity, start)]
            if not self._is_alarm(one, mine[0] if mine else None):
                wanted = [one.condition, one.tier, one.severity, one.value, one.limit and f"of {one.limit}"]
                self._differ(
                    chapter, f"{path}.{place}", (entity, one.rule, start),
                    " ".join(str(part) for part in wanted if part is not None),
                    _alarm(mine[0]) if mine else "none",
                )  # fmt: skip

    def _is_alarm(self, expected: AlarmExpected, found: Condition | None) -> bool:
        condition = "none" if found is None else found.condition
        if not self._history and expected.condition not in OPEN:
            return condition not in OPEN
        if condition != expected.condition or found is None:
            return condition == expected.condition
        return (
            expected.tier in (None, found.tier)
            and expected.severity in (None, found.severity)
            and _same(expected.value, found.value)
            and _same(expected.limit, found.limit)
        )


def _told(found: Told) -> str:
    step = "" if found.step is None else f" step {found.step}"
    at = f"{local_datetime(found.at_ms):%Y-%m-%dT%H:%M}"
    return f"{found.to} {found.rule} {found.entity} {found.start} {found.condition}{step} at {at}"


def _same(expected: Decimal | None, found: str | None) -> bool:
    return expected is None or (found is not None and parse_decimal(found) == expected)


def _holds(worth: Worth, one: Expectation, found: Known) -> bool:
    if (worth.value is None) != (found.micro is None):
        return False
    if worth.value is not None and found.micro is not None:
        value = _in_unit(found.micro, one.unit, worth.unit)
        if one.metric.startswith(_RATIOS):
            if rounded(value, digits_of(worth.value)) != worth.value:
                return False
        elif value != Fraction(worth.value):
            return False
    for name in SHARES:
        wanted: Decimal | None = getattr(worth, name)
        if wanted is not None and (
            found.shares is None or rounded(100 * getattr(found.shares, name), digits_of(wanted)) != wanted
        ):
            return False
    return True


def _in_unit(micro: int, unit: str, asked: str | None) -> Fraction:
    value = Fraction(micro, MICRO)
    return value if asked is None else value * conversion(unit, asked)


def rounded(value: Fraction, digits: int) -> Decimal:
    """Return a value at so many decimal places, rounded half-even."""
    with localcontext(prec=80):
        whole = Decimal(value.numerator * 10**digits) / Decimal(value.denominator)
        return whole.to_integral_value(ROUND_HALF_EVEN).scaleb(-digits)


def _found(worth: Worth, one: Expectation, found: Known) -> str:
    shares = found.shares
    value = None if found.micro is None else _in_unit(found.micro, one.unit, worth.unit)
    if value is not None and one.metric.startswith(_RATIOS) and worth.value is not None:
        shown = rounded(value, max(digits_of(worth.value), 3))
    else:
        shown = None if value is None else rounded(value, 9)
    named = {
        name: None if shares is None or getattr(worth, name) is None else rounded(100 * getattr(shares, name), 4)
        for name in SHARES
    }
    text = _said(shown, worth, named, one.unit)
    return f"{text} (no time is expected)" if shares is None and any(worth[2:]) else text


def _said(value: Decimal | None, worth: Worth, shares: dict[str, Decimal | None], unit: str) -> str:
    text = "no value" if value is None else f"{_plain(value)} {worth.unit or unit}"
    return " ".join((text, *(f"{name} {_plain(share)} %" for name, share in shares.items() if share is not None)))


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _known(status: str) -> str:
    return "no status" if status == "None" else status


def _is(expected: FindingExpected, meter: str, found: Finding, chapter: Chapter) -> bool:
    day = chapter.moment.of_day
    return (
        found.meter == meter
        and expected.rule in (None, found.rule)
        and expected.reason in (None, found.reason)
        and (expected.from_ is None or parse_instant(expected.from_, day) == found.start)
        and (expected.to is None or parse_instant(expected.to, day) == found.end)
    )


def _finding(found: Finding) -> str:
    begin, end = (f"{local_datetime(at):%Y-%m-%dT%H:%M}" for at in (found.start, found.end))
    return f"{found.meter} {found.rule} {found.reason} {begin}..{end}"


def _alarm(found: Condition) -> str:
    value = "no value" if found.value is None else _plain(parse_decimal(found.value))
    parts = (found.condition, found.tier, found.severity, value, found.limit and f"of {found.limit}")
    return f"{found.rule} {found.start} " + " ".join(part for part in parts if part)
