"""Progress is how far each partition was read and written, and what that means: idle, moving or stalled.

A partition stands still for two reasons that look alike from outside: nothing is left to read, or what is left is not
getting through. The end of the partition tells them apart.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from aiokafka import TopicPartition

from schemas.topics import COMPACTION_LAG_MS

STALLED_S = 30.0

State = Literal["idle", "moving", "stalled"]


@dataclass(slots=True)
class PartitionProgress:
    """One partition: the offset that the store holds, the next offset after what is written, and the last known end.

    Everything that was appended before `unread_since_ms` [epoch ms] is written; None: not known.
    """

    moved_at: float
    stored: int | None = None
    written: int = 0
    end: int | None = None
    unread_since_ms: int | None = None

    @property
    def lag(self) -> int:
        """How many offsets are not written yet, as far as the end is known."""
        return max((self.end or 0) - self.written, 0)

    def state(self, now: float) -> State:
        """Return what the partition is doing at a monotonic time [s]."""
        if self.end is None:
            return "moving"
        if not self.lag:
            return "idle"
        return "stalled" if now - self.moved_at > STALLED_S else "moving"


class Progress:
    """The progress of all partitions that the sink reads; `clock` is a monotonic time [s]."""

    def __init__(self, partitions: Iterable[TopicPartition], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.partitions = {partition: PartitionProgress(clock()) for partition in partitions}

    def begin(self, partition: TopicPartition, stored: int | None, unread_since_ms: int | None) -> None:
        """Start a partition where the store stands."""
        self.partitions[partition] = PartitionProgress(
            self._clock(), stored, stored or 0, self.partitions[partition].end, unread_since_ms
        )

    def fetched(self, partition: TopicPartition, position: int) -> None:
        """Note that there is something to write below `position`, though the end was not asked for since."""
        one = self.partitions[partition]
        one.end = max(one.end or 0, position)

    def wrote(self, partition: TopicPartition, position: int, unread_since_ms: int | None = None) -> None:
        """Note that everything below `position` is written, and all that was appended before an instant."""
        one = self.partitions[partition]
        if position != one.written:
            one.written, one.moved_at = position, self._clock()
        if unread_since_ms is not None:
            one.unread_since_ms = max(one.unread_since_ms or 0, unread_since_ms)

    def reached(self, partition: TopicPartition, end: int, asked_ms: int) -> None:
        """Note the partition's end as it was at or after `asked_ms` [epoch ms]."""
        one = self.partitions[partition]
        if not one.lag:
            # What comes after an idle time has been waiting since now, not since the last record.
            one.moved_at = self._clock()
        one.end = end
        if one.written >= end:
            self.wrote(partition, one.written, asked_ms)

    def everything(self, partition: TopicPartition, now_ms: int) -> bool:
        """Tell whether versions of unread documents may be compacted away, so that `touched` cannot be trusted.

        They stay for COMPACTION_LAG_MS; half of it is left for clocks that differ and for the time of reading.
        """
        since = self.partitions[partition].unread_since_ms
        return since is None or now_ms - since > COMPACTION_LAG_MS // 2

    def is_stalled(self, partition: TopicPartition) -> bool:
        """Tell whether there is something to write and nothing moves."""
        return self.partitions[partition].state(self._clock()) == "stalled"

    @property
    def lag(self) -> int:
        """How many offsets of all partitions are not written yet."""
        return sum(one.lag for one in self.partitions.values())

    def states(self) -> dict[str, tuple[State, int]]:
        """Return (state, lag) of each partition by `topic/partition`."""
        now = self._clock()
        return {
            f"{partition.topic}/{partition.partition}": (one.state(now), one.lag)
            for partition, one in list(self.partitions.items())
        }
