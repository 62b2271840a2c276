"""A robot speaks into a group chat for all lanes that name it, and takes few messages a minute of all of them."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.deliveries import RobotUse
from schemas.messages import VERSION
from schemas.reference.rates import RobotRates
from streams.domain.allowance import Allowance, Limit
from streams.domain.turn import Turn, turn


class _Waiting(NamedTuple):
    count: int
    since_ms: int


class Robot:
    """What one robot may still be sent, and who waits for it; `used_ms` are the messages before this process began."""

    def __init__(self, name: str, rates: RobotRates, used_ms: Iterable[int]) -> None:
        self.name = name
        self.allowance = Allowance((Limit(one.messages, one.seconds * 1000) for one in rates.limits), used_ms)
        self._waiting: dict[str, _Waiting] = {}

    def wait(self, lane: str, count: int, since_ms: int) -> None:
        """Note how many messages wait in a lane, the first one since an instant [epoch ms]."""
        if count:
            self._waiting[lane] = _Waiting(count, since_ms)
        else:
            self._waiting.pop(lane, None)

    def turn(self, lane: str, digest_ms: int | None, now_ms: int) -> Turn:
        """Return the turn of a lane, whose last digest was sent at `digest_ms` [epoch ms]."""
        mine = self._waiting[lane]
        older = sum(1 for name, one in self._waiting.items() if (one.since_ms, name) < (mine.since_ms, lane))
        total = sum(one.count for one in self._waiting.values())
        return turn(mine.count, total, older, digest_ms, self.allowance, now_ms)

    def use(self, now_ms: int) -> RobotUse:
        """Return what is recorded at an instant [epoch ms] before a message is sent that is counted already."""
        return RobotUse(VERSION, self.name, self.allowance.counted_ms(now_ms))
