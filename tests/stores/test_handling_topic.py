"""The follower of the handling topic against a real Kafka."""

import asyncio

import pytest

from deploy.local.kafka import LocalKafka
from schemas.handling import SILENCE_KEY, Action, Handling, Silence
from schemas.messages import encode
from schemas.settings import Settings
from schemas.topics import ALARM_HANDLING
from services.outbox import Message, Outbox
from services.topics import apply_topics
from streams.stores.handling_topic import HandlingFollower, HandlingUnavailableError

DONE = Action("x1", "acknowledged", 10, "Li Lei", "k1", 1)
HANDLED = Handling(1, "a1", "peak", "enterprise/bz-steel", 1, 10, "Li Lei", [DONE], DONE)
NIGHT = Silence(1, "s1", "silence", 1, 0, "Li Lei", 100, 200, "work on the sensor", "Li Lei", "k1", 0, rule="peak")


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> Settings:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix)
    apply_topics(settings)
    return settings


def test_the_newest_of_each_stands_and_what_cannot_be_read_is_passed_over(settings: Settings) -> None:
    async def story() -> None:
        outbox = Outbox(settings, "test", [ALARM_HANDLING])
        outbox.start()
        follower = HandlingFollower(settings)
        told: list[int] = []
        follower.on_change.append(lambda: told.append(len(follower.handled)))
        assert await follower.start(30)
        while not outbox.ready:  # noqa: ASYNC110 - it tells of no event
            await asyncio.sleep(0.05)
        closed = Handling(1, "a1", "peak", "enterprise/bz-steel", 2, 11, "Li Lei", [DONE], DONE, closed=DONE)
        records = [
            (b"a1", encode(HANDLED)),
            (SILENCE_KEY.encode() + b"s1", encode(NIGHT)),
            (b"a2", b"no handling"),
            (b"a1", encode(closed)),
        ]
        await outbox.send([Message(ALARM_HANDLING, 0, key, value) for key, value in records])
        await follower.read_to_end()
        assert follower.handled == {"a1": closed}
        assert follower.silences == {"s1": NIGHT}
        assert told[-1] == 1
        await follower.stop()
        await outbox.stop()

    asyncio.run(story())


def test_while_kafka_is_away_the_reader_is_told_so() -> None:
    async def story() -> None:
        follower = HandlingFollower(Settings(kafka="127.0.0.1:9"))
        await follower.start()
        assert not follower.ready
        with pytest.raises(HandlingUnavailableError, match="the handling could not be read to the end"):
            await follower.read_to_end(0.5)
        await follower.stop()

    asyncio.run(story())
