"""The topics of an installation: creating what is missing in Kafka, aligning settings, refusing what would break keys.

A key's partition follows from the partition count, and a compacted topic that also deletes by age forgets keys, so a
topic found with another count or clean-up is refused before anything is changed.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.settings import Settings
from schemas.topics import TOPICS

# kafka-python 3 has no types of its own, and those that type checkers bring along are of version 2.
Admin = Any
_open_admin: Any = KafkaAdminClient

WAIT_S = 30.0
_REQUEST_TIMEOUT_S = 15.0
_CONNECT_S = 3.0


class TopicsError(RuntimeError):
    """Kafka did not do what was asked; the message says what to do."""


class TopicsRefusedError(TopicsError):
    """Topics are there that would break keys; nothing was changed. `faults` has one line for each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("nothing was changed: " + "; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as Kafka has it: its partitions, replicas of the first one, and settings."""

    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicsPlan:
    """What is to be done: topics to create, settings to change `{topic: {name: (from, to)}}`, refusals, remarks."""

    create: tuple[str, ...]
    change: Mapping[str, Mapping[str, tuple[str | None, str]]]
    refused: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """True when Kafka already has everything as wanted."""
        return not (self.create or self.change or self.refused)


def plan_topics(found: Mapping[str, FoundTopic], settings: Settings) -> TopicsPlan:
    """Compare the topics found (full name to topic) with those the settings want; changes nothing."""
    create: list[str] = []
    change: dict[str, dict[str, tuple[str | None, str]]] = {}
    refused: list[str] = []
    remarks: list[str] = []
    for topic in TOPICS:
        name = settings.topic(topic)
        there = found.get(name)
        if there is None:
            create.append(name)
            continue
        partitions = settings.partitions if topic.partitioned else 1
        if there.partitions != partitions:
            refused.append(
                f"topic {name} has {there.partitions} partitions, wanted {partitions}: every key would move; "
                + ("set QINGYU_PARTITIONS to what is there, or use" if topic.partitioned else "use")
                + " another QINGYU_TOPIC_PREFIX"
            )
        cleanup = there.config.get("cleanup.policy")
        if cleanup != topic.cleanup:
            refused.append(
                f"topic {name} has cleanup.policy {cleanup}, wanted {topic.cleanup}: "
                + ("records may be gone by age" if topic.cleanup == "compact" else "earlier records may be gone by key")
                + "; restore it elsewhere or use another QINGYU_TOPIC_PREFIX"
            )
        if there.replicas != settings.replication:
            remarks.append(
                f"topic {name} has {there.replicas} replicas, wanted {settings.replication}: "
                "reassign its partitions with Kafka's own tool"
            )
        wanted = topic.config(settings.min_insync_replicas)
        differs = {key: (there.config.get(key), text) for key, text in wanted.items() if there.config.get(key) != text}
        if differs:
            change[name] = differs
    return TopicsPlan(tuple(create), change, tuple(refused), tuple(remarks))


def apply_topics(settings: Settings, *, timeout_s: float = WAIT_S) -> TopicsPlan:
    """Bring Kafka's topics to what the settings want and return what was done; doing it twice changes nothing.

    Returns when every topic has a leader for each partition, at most `timeout_s` [s] later. Raises
    TopicsRefusedError (nothing was changed) or TopicsError.
    """
    if settings.min_insync_replicas > settings.replication:
        raise TopicsError(
            f"QINGYU_MIN_INSYNC_REPLICAS {settings.min_insync_replicas} is above QINGYU_REPLICATION "
            f"{settings.replication}: no write would ever be acknowledged"
        )
    with admin_client(settings) as admin:
        plan = plan_topics(find_topics(admin, settings), settings)
        if plan.refused:
            raise TopicsRefusedError(plan.refused)
        if plan.create and _create(admin, plan.create, settings):
            # Another process created some at the same time: they are judged like any that were there before.
            admin.wait_for_topics(list(plan.create), timeout_ms=int(timeout_s * 1000))
            beside = plan_topics(find_topics(admin, settings), settings)
            if beside.refused:
                raise TopicsRefusedError(beside.refused)
        _align(admin, plan.change)
        admin.wait_for_topics([settings.topic(topic) for topic in TOPICS], timeout_ms=int(timeout_s * 1000))
    return plan


@contextmanager
def admin_client(settings: Settings) -> Iterator[Admin]:
    """Open Kafka's admin client for the length of a `with`; every Kafka failure inside becomes a TopicsError."""
    _check_reachable(settings.kafka)
    admin: Admin = None
    try:
        admin = _open_admin(
            bootstrap_servers=settings.kafka.split(","),
            client_id="qingyu-admin",
            bootstrap_timeout_ms=int(_REQUEST_TIMEOUT_S * 1000),
            request_timeout_ms=int(_REQUEST_TIMEOUT_S * 1000),
        )
        yield admin
    except KafkaError as error:
        raise TopicsError(f"Kafka at {settings.kafka} (QINGYU_KAFKA): {error}") from error
    finally:
        if admin is not None:
            admin.close()


def _check_reachable(bootstrap: str) -> None:
    # The client waits long for a broker that is away, and leaves its sockets open when it gives up.
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        with suppress(OSError, ValueError, OverflowError), socket.create_connection((host, int(port)), _CONNECT_S):
            return
    raise TopicsError(f"Kafka at {bootstrap} (QINGYU_KAFKA) cannot be reached: is it running, is the address right?")


def find_topics(admin: Admin, settings: Settings) -> dict[str, FoundTopic]:
    """Return those of our topics that Kafka has, by full name."""
    ours = {settings.topic(topic) for topic in TOPICS}
    names = sorted(ours.intersection(admin.list_topics()))
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    found: dict[str, FoundTopic] = {}
    for described in admin.describe_topics(names):
        name, partitions = described["name"], described["partitions"]
        found[name] = FoundTopic(
            partitions=len(partitions),
            replicas=len(partitions[0]["replica_nodes"]) if partitions else 0,
            config={key: entry["value"] for key, entry in configs.get(name, {}).items()},
        )
    return found


def _create(admin: Admin, names: tuple[str, ...], settings: Settings) -> bool:
    """Create topics; return True when one of them was there already."""
    wanted = {settings.topic(topic): topic for topic in TOPICS}
    answer = admin.create_topics(
        {
            name: {
                "num_partitions": settings.partitions if wanted[name].partitioned else 1,
                "replication_factor": settings.replication,
                "configs": wanted[name].config(settings.min_insync_replicas),
            }
            for name in names
        },
        raise_errors=False,
    )
    there_already = False
    for topic in answer["topics"]:
        code = topic["error_code"]
        if code == TopicAlreadyExistsError.errno:
            there_already = True
        elif code:
            raise TopicsError(
                f"Kafka did not create topic {topic['name']}: {topic['error_message'] or f'error {code}'}"
            )
    return there_already


def _align(admin: Admin, change: Mapping[str, Mapping[str, tuple[str | None, str]]]) -> None:
    if not change:
        return
    answer = admin.alter_configs(
        [
            ConfigResource(ConfigResourceType.TOPIC, name, {key: to for key, (_, to) in values.items()})
            for name, values in change.items()
        ]
    )
    failed = [f"{name}: {result}" for name, result in answer["topic"].items() if result != "OK"]
    if failed:
        raise TopicsError("Kafka did not change the settings of " + "; ".join(failed))
