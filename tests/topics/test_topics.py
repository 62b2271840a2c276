"""Topics on a real Kafka: created once, aligned, and never changed where keys would break."""

from collections.abc import Iterator

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.settings import Settings
from schemas.topics import READINGS, REGISTRY, TOPICS, TOTALS, Topic
from services.topics import (
    Admin,
    FoundTopic,
    TopicsError,
    TopicsPlan,
    TopicsRefusedError,
    admin_client,
    apply_topics,
    find_topics,
    plan_topics,
)
from tests.running import until


@pytest.fixture
def settings(kafka: LocalKafka | ForeignKafka, prefix: str) -> Settings:
    return Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=2)


@pytest.fixture
def admin(settings: Settings) -> Iterator[Admin]:
    with admin_client(settings) as opened:
        yield opened


def as_wanted(settings: Settings) -> dict[str, FoundTopic]:
    return {
        settings.topic(topic): FoundTopic(settings.partitions if topic.partitioned else 1, 1, topic.config(1))
        for topic in TOPICS
    }


def make(admin: Admin, settings: Settings, topic: Topic, partitions: int, config: dict[str, str]) -> None:
    name = settings.topic(topic)
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": config}})
    admin.wait_for_topics([name])


def test_applying_creates_every_topic_as_the_contract_says(settings: Settings, admin: Admin) -> None:
    done = apply_topics(settings)

    assert set(done.create) == {settings.topic(topic) for topic in TOPICS}
    found = find_topics(admin, settings)
    for topic in TOPICS:
        there = found[settings.topic(topic)]
        assert there.partitions == (2 if topic.partitioned else 1)
        assert topic.config(1).items() <= dict(there.config).items()


def test_applying_twice_changes_nothing(settings: Settings) -> None:
    apply_topics(settings)

    assert apply_topics(settings) == TopicsPlan((), {}, (), ())


def test_a_changed_setting_is_aligned(settings: Settings, admin: Admin) -> None:
    apply_topics(settings)
    name = settings.topic(READINGS)
    wanted = READINGS.config(1)["retention.ms"]
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "86400000"})])
    # A broker learns of a changed setting after the controller has answered.
    until(lambda: find_topics(admin, settings)[name].config["retention.ms"] == "86400000", what="the change seen")

    done = apply_topics(settings)

    assert done.change == {name: {"retention.ms": ("86400000", wanted)}}
    until(lambda: find_topics(admin, settings)[name].config["retention.ms"] == wanted, what="the alignment seen")
    assert apply_topics(settings).is_empty


def test_what_breaks_keys_is_refused_and_nothing_else_is_created(settings: Settings, admin: Admin) -> None:
    make(admin, settings, READINGS, 3, READINGS.config(1))
    make(admin, settings, TOTALS, 2, TOTALS.config(1) | {"cleanup.policy": "delete"})

    with pytest.raises(TopicsRefusedError) as refused:
        apply_topics(settings)

    partitions, cleanup = refused.value.faults
    assert "3 partitions, wanted 2" in partitions
    assert "cleanup.policy delete, wanted compact" in cleanup
    assert set(find_topics(admin, settings)) == {settings.topic(READINGS), settings.topic(TOTALS)}


@pytest.mark.parametrize(("topic", "policy"), [(REGISTRY, "compact,delete"), (READINGS, "compact")])
def test_a_clean_up_that_forgets_records_is_refused(topic: Topic, policy: str) -> None:
    settings = Settings()
    found = as_wanted(settings)
    name = settings.topic(topic)
    found[name] = FoundTopic(found[name].partitions, 1, dict(found[name].config) | {"cleanup.policy": policy})

    assert len(plan_topics(found, settings).refused) == 1


def test_another_number_of_replicas_is_remarked_not_refused() -> None:
    wanted = Settings(replication=3, min_insync_replicas=1)

    plan = plan_topics(as_wanted(Settings()), wanted)

    assert len(plan.remarks) == len(TOPICS)
    assert plan.is_empty


def test_settings_that_no_write_could_meet_are_refused() -> None:
    with pytest.raises(TopicsError, match="QINGYU_MIN_INSYNC_REPLICAS 2 is above QINGYU_REPLICATION 1"):
        apply_topics(Settings(min_insync_replicas=2))


def test_a_kafka_that_is_away_is_named() -> None:
    with pytest.raises(TopicsError, match=r"Kafka at 127\.0\.0\.1:9 \(QINGYU_KAFKA\) cannot be reached"):
        apply_topics(Settings(kafka="127.0.0.1:9"))
