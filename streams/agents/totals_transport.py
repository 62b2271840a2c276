"""The totals transport reads topic `totals` from its beginning at each assignment, without the meters' documents.

Meters write most of that topic and no territory reads them, so they are left out before Faust makes events of them.
"""

import asyncio
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError

from streams.agents.transport import CommittedConsumer, Transport

_METER = b"meter/"
_POSITION_S = 5.0


class Reached(NamedTuple):
    """How far a partition is read: the next offset to fetch, and that of the last record handed on (-1: none)."""

    position: int
    handed_on: int


class _Consumer(CommittedConsumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reached: dict[int, Reached] = {}

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 -- as Faust calls it
        found = await super()._getmany(active_partitions, timeout)
        kept: dict[Any, list[Any]] = {}
        for tp, records in found.items():
            mine = [each for each in records if each.key is not None and not each.key.startswith(_METER)]
            if mine:
                kept[tp] = mine
        for tp in self.assignment():
            before = self.reached.get(tp.partition)
            last = kept[tp][-1].offset if tp in kept else before.handed_on if before is not None else -1
            # A position passes the ends of transactions too, which are no records. During a rebalance there is none.
            try:
                async with asyncio.timeout(_POSITION_S):
                    position = await self.position(tp)
            except (TimeoutError, KafkaError):
                continue
            self.reached[tp.partition] = Reached(position or 0, last)
        return kept

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.reached.clear()
        await super().on_partitions_revoked(revoked)

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        # What is left out needs no books: nothing is committed.
        return

    def _new_offset(self, tp: Any) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return newest


class TotalsTransport(Transport):
    """The transport of the territory application."""

    Consumer = _Consumer
