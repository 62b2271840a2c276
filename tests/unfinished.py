"""Makes a commit that Kafka acknowledges and never finishes, as it does where partitions have no leader just then.

Kafka cannot be made to do so on purpose. What stays behind is the same when the coordinator was not told of the
partitions that a transaction wrote to: it acknowledges the commit, and their marks are never written.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.transaction_manager import TransactionManager
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from tests.running import until

# What Python a process runs first: the next transaction after the file came is left unfinished; its end removes it.
CODE = "from tests.unfinished import leave_next; leave_next({file!r}, {topic!r})"

_VERIFICATION = "transaction.partition.verification.enable"
_add = TransactionManager.maybe_add_partition_to_txn
_commit = AIOKafkaProducer.commit_transaction


def leave_next(file: str, topic: str = "") -> None:
    """Let the next transaction of this process be left unfinished, whenever `file` is there; its commit removes it.

    Marks are left out of all partitions, or of those of one topic.
    """
    path = Path(file)
    prefix = os.environ.get("QINGYU_TOPIC_PREFIX", "")

    def add(self: TransactionManager, tp: TopicPartition) -> None:
        if path.exists() and topic in ("", tp.topic.removeprefix(prefix)):
            self._txn_partitions.add(tp)
            # It must know of one at least, to commit anything.
            tp = TopicPartition(prefix + "engine", 0)
        _add(self, tp)

    async def commit(self: AIOKafkaProducer) -> None:
        await _commit(self)
        path.unlink(missing_ok=True)  # noqa: ASYNC240  one file, in a test

    TransactionManager.maybe_add_partition_to_txn = add
    AIOKafkaProducer.commit_transaction = commit


def finish_all() -> None:
    """Let all transactions of this process be as they are again."""
    TransactionManager.maybe_add_partition_to_txn = _add
    AIOKafkaProducer.commit_transaction = _commit


@contextmanager
def trusting(bootstrap: str) -> Iterator[None]:
    """Have a broker take records of transactions that it does not know of."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        _verify(admin, "false")
        yield
    finally:
        _verify(admin, "true")
        admin.close()


def _verify(admin: KafkaAdminClient, whether: str) -> None:
    numbers = [str(each["broker_id"]) for each in admin.describe_cluster()["brokers"]]
    brokers = [ConfigResource(ConfigResourceType.BROKER, number, {_VERIFICATION: whether}) for number in numbers]
    # kafka-python 3 has no types of its own, and those that type checkers bring along are of version 2.
    api: Any = admin
    answer = api.alter_configs(brokers, raise_on_unknown=False)
    assert {*answer["broker"].values()} == {"OK"}, answer

    def settled() -> bool:
        said = api.describe_configs(brokers, config_filter="all")["broker"]
        return all(said[number][_VERIFICATION]["value"] == whether for number in numbers)

    # A broker answers before it does so.
    until(settled, what="the broker's setting")
