"""What fired are the rules that found something wrong in a window: of registers, and of validation."""

from collections.abc import Iterable

from schemas.windows import Window
from services.explain import wording
from services.explain.tree import Node, text
from streams.domain.flaw import Flaw

# So many are told one by one.
SHOWN = 24


def fired(flaws: Iterable[Flaw], each: Window) -> list[Node]:
    """Return a line for each open finding that touches a window, with the figures it was judged from."""
    mine = sorted(
        {flaw for flaw in flaws if flaw.from_ms < each.end_ms and max(flaw.to_ms, flaw.from_ms + 1) > each.start_ms},
        key=lambda flaw: (flaw.from_ms, flaw.meter, flaw.reason),
    )
    found = [text(_line(flaw), *_notes(flaw)) for flaw in mine[:SHOWN]]
    if len(mine) > SHOWN:
        found.append(text(f"{len(mine) - SHOWN} more findings 其余"))
    return found


def _line(flaw: Flaw) -> str:
    of = f"meter {flaw.meter}" if flaw.meter else "the enterprise"
    effect = "; the value does not count 剔除" if flaw.effect == "exclude" else ""
    begin, end = wording.instant(flaw.from_ms), wording.instant(flaw.to_ms)
    return f"rule fired 触发规则: {flaw.rule} of {of} {begin} .. {end}{effect}"


def _notes(flaw: Flaw) -> list[str]:
    return [", ".join(f"{name} {value}" for name, value in flaw.figures)] if flaw.figures else []
