"""Commits are acknowledged by Kafka before they are seen, and now and then one is acknowledged and not finished.

A transaction is finished by a mark in each partition that was written. Kafka 4.3 takes a partition that has no leader
at that moment for a deleted one and leaves its mark out; a broker's partitions have none for an instant when it wakes
after it hung for longer than ``broker.session.timeout.ms``. The coordinator holds such a transaction for completed. Its
records stay hidden, and with them all that anybody writes behind them, until a later transaction of the same producer
puts a mark of its own there. So what was acknowledged is carried out: by whoever committed it, as soon as he misses it,
or by his next life, which asks how the last transaction ended before it begins one.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError, LeaderNotAvailableError, for_code

from streams.stores.transaction_requests import DescribeProducers, DescribeTransaction

# A mark is there within milliseconds. To put another one where it only came late does no harm.
MISSED_S = 2.0
# So long a producer of transactions, and what is asked about them, waits for an answer.
REQUEST_MS = 10_000
_ASK_EVERY_S = 0.02
_RETRY_S = 0.2
_ID_NOT_FOUND = 105
_COMMITTED = ("PrepareCommit", "CompleteCommit")

_log = structlog.get_logger(__name__)
AnswerT = TypeVar("AnswerT")


class Commits:
    """Keeps watch over the transactions of one producer; all methods belong to one event loop.

    They wait for Kafka for as long as it does not answer, which the caller limits.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        # There is no public way to the number that Kafka gave the producer, nor to write to a partition but with a
        # record, which a commit would show to all.
        self._transactions: Any = producer._txn_manager
        self._places: set[TopicPartition] = set()

    @property
    def pending(self) -> bool:
        """Whether there is a commit that may not be finished."""
        return bool(self._places)

    def add(self, places: Iterable[TopicPartition]) -> None:
        """Take note of the partitions of a transaction that was acknowledged as committed."""
        self._places.update(places)

    async def until_finished(self, *, commit: bool = True) -> None:
        """Return when nothing of this producer is open in any partition noted; otherwise put the marks there again."""
        asked_s: float | None = None
        while self._places:
            self._places = await self._open(self._places)
            now_s = time.monotonic()
            asked_s = asked_s or now_s
            if self._places and now_s - asked_s > MISSED_S:
                places = sorted(f"{tp.topic}/{tp.partition}" for tp in self._places)
                _log.warning("Kafka acknowledged a transaction and did not finish it", commit=commit, places=places)
                await self._mark(commit)
                asked_s = None
            if self._places:
                await asyncio.sleep(_ASK_EVERY_S)

    async def _open(self, places: Iterable[TopicPartition]) -> set[TopicPartition]:
        """Return the partitions in which this producer has a transaction open."""
        client = self._producer.client
        me: int = self._transactions.producer_id

        async def ask() -> set[TopicPartition]:
            by_node: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
            for tp in places:
                await self._producer.partitions_for(tp.topic)  # makes the topic known
                leader = client.cluster.leader_for_partition(tp)
                if leader in (None, -1):
                    raise LeaderNotAvailableError(f"{tp.topic}/{tp.partition}")
                by_node[leader][tp.topic].append(tp.partition)
            found: set[TopicPartition] = set()
            for node, partitions in by_node.items():
                answer = await client.send(node, DescribeProducers(partitions))
                for topic, parts, _ in answer.topics:
                    for number, code, _, producers, _ in parts:
                        if code:
                            raise for_code(code)(f"{topic}/{number}")
                        if any(id_ == me and open_since >= 0 for id_, _, _, _, _, open_since, _ in producers):
                            found.add(TopicPartition(topic, number))
            return found

        return await _answer(client, ask)

    async def _mark(self, commit: bool) -> None:
        """Make a transaction of the partitions noted that holds no records."""
        await self._producer.begin_transaction()
        for tp in self._places:
            self._transactions.maybe_add_partition_to_txn(tp)
        await (self._producer.commit_transaction() if commit else self._producer.abort_transaction())


async def started(
    kafka: str, producer: AIOKafkaProducer, transactional_id: str, places: Iterable[TopicPartition]
) -> Commits:
    """Start a producer, which fences the one before, and carry out in `places` what Kafka said of the last transaction.

    `places` are all partitions that it may ever write to. Raises KafkaError.
    """
    commit = await _was_committed(kafka, transactional_id)
    await producer.start()
    commits = Commits(producer)
    commits.add(places)
    await commits.until_finished(commit=commit)
    return commits


async def _was_committed(kafka: str, transactional_id: str) -> bool:
    """Tell whether the last transaction of an id was acknowledged as committed."""
    client = AIOKafkaClient(bootstrap_servers=kafka, request_timeout_ms=REQUEST_MS)

    async def ask() -> bool:
        node = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
        answer = await client.send(node, DescribeTransaction(transactional_id))
        ((code, _, state, *_),) = answer.transactions
        if code not in (0, _ID_NOT_FOUND):
            raise for_code(code)(transactional_id)
        return state in _COMMITTED

    try:
        await client.bootstrap()
        return await _answer(client, ask)
    finally:
        await client.close()


async def _answer(client: AIOKafkaClient, ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
    """Ask Kafka until it answers."""
    away = False
    while True:
        try:
            return await ask()
        except (KafkaError, OSError) as error:
            if not away:
                _log.info("Kafka cannot be asked about transactions", error=repr(error))
            away = True
            await asyncio.sleep(_RETRY_S)
            await client.force_metadata_update()
