"""A flaw is what is wrong, or doubtful, with a stretch of a meter's readings; a finding tells people of it."""

from typing import NamedTuple

from schemas.messages import VERSION, Finding

OVER_RANGE = "over_range"
# A gap of an interval meter that is not filled, since the interval after it may hold all of it.
CATCH_UP = "catch_up"


class Flaw(NamedTuple):
    """A stretch of time of a meter on which something is wrong: the meter's id, instants in epoch ms.

    `reason` is what a register's span is, or `validation.RULE` for a validation rule, of which `effect` is what becomes
    of the value and `figures` are what it was judged from. Without a meter ("") it is of the enterprise.
    """

    meter: str
    from_ms: int
    to_ms: int
    reason: str
    effect: str = ""
    figures: tuple[tuple[str, str], ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether it says why a span has no energy, or a doubtful one, and not what a rule found."""
        return not self.effect

    @property
    def rule(self) -> str:
        """What findings call the rule."""
        if self.reason == CATCH_UP:
            return f"interval.{CATCH_UP}"
        return self.reason if self.effect or self.reason == OVER_RANGE else f"register.{self.reason}"

    def finding(self, enterprise: str, *, is_open: bool) -> Finding:
        """Return the finding on it; `is_open` is false once it is healed."""
        entity = f"meter/{enterprise}.{self.meter}" if self.meter else f"enterprise/{enterprise}"
        reason = self.reason.removeprefix("validation.")
        return Finding(
            VERSION, enterprise, entity, self.rule, self.from_ms, self.to_ms, reason, is_open, self.effect or "flag",
            dict(self.figures),
        )  # fmt: skip
