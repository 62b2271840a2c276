"""A sending is the lines of one call on their way into one bucket, until each of them is stored or refused.

A request with a bad line is halved until that line is alone; it is refused then, with the server's words, and every
other line is stored. What keeps the server from judging interrupts the sending; it goes on from there when run again.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streams.stores.influx_server import ServerFaultError, Verdict
from streams.stores.line_protocol import probe_like
from streams.stores.series import StoreError

# A longer request takes a server longer for each line.
REQUEST_LINES = 5000
# So many equal failures of a server that calls itself well are taken for the fault of the lines, which are then halved
# at each further one; a line that is alone must fail so often again.
POISON_FAULTS = 10
POISON_FAULTS_ALONE = 3
# A line stored so lately shows that the server takes lines [s].
PROVEN_S = 5.0

_DROPPED = re.compile(r"\bdropped=(\d+)")
_TOO_OLD = "outside retention policy"


class Server(Protocol):
    """What a sending needs of a server."""

    def write(self, bucket: str, lines: Sequence[str]) -> Verdict:
        """Return what the server says of lines; raise StoreError when it does not."""
        ...

    def is_healthy(self) -> bool:
        """Whether the server says that it is well."""
        ...


class RefusedLine(NamedTuple):
    """A line that the server does not take, and its words."""

    line: str
    words: str


class _Part(NamedTuple):
    first: int
    end: int
    # Whether it is a part of what the server failed on again and again.
    suspect: bool = False


class Sending:
    """Lines for a bucket; `refused` are those set aside, `too_old` counts those beyond its retention."""

    def __init__(self, bucket: str, lines: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.bucket = bucket
        self.lines = lines
        self.refused: list[RefusedLine] = []
        self.too_old = 0
        self._clock = clock
        # The next one last.
        self._parts = [
            _Part(first, min(first + REQUEST_LINES, len(lines))) for first in range(0, len(lines), REQUEST_LINES)
        ][::-1]
        self._fault = ""
        self._faults = 0
        self._proven_at = float("-inf")

    def run(self, server: Server, end_s: float) -> None:
        """Send until nothing is left; raise StoreError when it cannot go on, or for lack of time at `end_s` [clock]."""
        while self._parts:
            if self._clock() > end_s:
                raise StoreError(
                    "store_timeout", f"InfluxDB is slow: {self.left} of {len(self.lines)} lines are left; it goes on"
                )
            part = self._parts.pop()
            try:
                self._send(part, server)
            except StoreError as error:
                if error.code == "store_timeout" and part.end - part.first > 1:
                    # Half of it may be done in the time; what is stored already does not change.
                    self._halve(part)
                else:
                    self._parts.append(part)
                raise

    @property
    def left(self) -> int:
        """How many lines are not stored or refused yet."""
        return sum(part.end - part.first for part in self._parts)

    def _send(self, part: _Part, server: Server) -> None:
        lines = self.lines[part.first : part.end]
        try:
            verdict = server.write(self.bucket, lines)
        except ServerFaultError as fault:
            if not self._is_poison(part, fault, server):
                raise
            if len(lines) > 1:
                self._halve(part._replace(suspect=True))
                self._faults = 0
                return
            self._probe(server, lines[0])
            self.refused.append(RefusedLine(lines[0], str(fault)))
        else:
            self._judge(part, lines, verdict, server)
        self._fault, self._faults = "", 0

    def _judge(self, part: _Part, lines: Sequence[str], verdict: Verdict, server: Server) -> None:
        if verdict.status == 204:
            self._proven_at = self._clock()
        elif _TOO_OLD in verdict.words and len(lines) == 1:
            self.too_old += 1
        elif len(lines) == 1 or _has_dropped(len(lines), verdict):
            self._prove(server, lines[0])
            self.refused += (RefusedLine(line, f"{verdict.status} {verdict.words}") for line in lines)
        else:
            self._halve(part)

    def _halve(self, part: _Part) -> None:
        middle = (part.first + part.end) // 2
        self._parts += (part._replace(first=middle), part._replace(end=middle))

    def _is_poison(self, part: _Part, fault: ServerFaultError, server: Server) -> bool:
        words = str(fault)
        self._faults = self._faults + 1 if words == self._fault else 1
        self._fault = words
        alone = part.end - part.first == 1
        enough = POISON_FAULTS if not part.suspect else POISON_FAULTS_ALONE if alone else 1
        return self._faults >= enough and server.is_healthy()

    def _prove(self, server: Server, line: str) -> None:
        """Raise StoreError unless the server takes other lines: one that refuses everything says nothing of a line."""
        if self._clock() - self._proven_at > PROVEN_S:
            self._probe(server, line)

    def _probe(self, server: Server, line: str) -> None:
        verdict = server.write(self.bucket, [probe_like(line)])
        if verdict.status != 204:
            raise StoreError(
                "store_failed",
                f"InfluxDB refuses whatever is written into {self.bucket}: {verdict.status} {verdict.words}; "
                "see QINGYU_INFLUX, QINGYU_INFLUX_ORG and the server's log",
            )
        self._proven_at = self._clock()


def _has_dropped(count: int, verdict: Verdict) -> bool:
    """Whether the server said that it dropped all lines, for a reason that is not their age."""
    found = _DROPPED.search(verdict.words)
    return verdict.status == 422 and found is not None and int(found[1]) == count and _TOO_OLD not in verdict.words
