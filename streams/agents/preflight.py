"""A preflight is what a worker makes sure of before it begins: Kafka answers, and the topics are there as they must be.

Without it Faust ends with a trace where Kafka is away, and waits without a word for a topic that is missing.
"""

import asyncio
import logging
import sys
import time
from contextlib import suppress

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import TOPICS, Topic
from streams.agents.stopping import CANNOT_SERVE

ASK_EVERY_S = 1.0
SAY_EVERY_S = 15.0
ANSWER_LIMIT_S = 10.0
# A broker that is just starting may not know all its topics yet.
FAULT_STANDS_S = 5.0

_log = structlog.get_logger(__name__)


class Preflight:
    """Looks at Kafka before a worker begins; `reason` says why it has not begun yet, empty when it has."""

    def __init__(self, settings: Settings) -> None:
        self.reason = "Kafka has not been asked yet"
        self._answered = False
        self._settings = settings

    def pass_or_end(self) -> None:
        """Return when Kafka has all topics as the settings want them; wait for Kafka for as long as it is away.

        Raises SystemExit with status 1, after saying why, when a topic is missing or has another number of
        partitions: a supervisor that starts the process again would not change that.
        """
        # The client would tell at each attempt what is said here once in a while.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        faults_since: float | None = None
        said_at = float("-inf")
        while faults := asyncio.run(self._ask()):
            now = time.monotonic()
            if not self._answered:
                faults_since = None
                if now - said_at >= SAY_EVERY_S:
                    said_at = now
                    _log.warning("waiting for Kafka", reason=self.reason)
            elif faults_since is None:
                faults_since = now
            elif now - faults_since >= FAULT_STANDS_S:
                for fault in faults:
                    sys.stderr.write(f"error: {fault}\n")
                raise SystemExit(CANNOT_SERVE)
            time.sleep(ASK_EVERY_S)

    async def _ask(self) -> list[str]:
        """Return what is wrong, also as `reason`."""
        self._answered = False
        settings = self._settings
        client = AIOKafkaClient(bootstrap_servers=settings.kafka)
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await client.bootstrap()
                cluster = await client.fetch_all_metadata()
        except (TimeoutError, KafkaError, OSError) as error:
            self.reason = f"Kafka at {settings.kafka} (QINGYU_KAFKA) does not answer: {error or type(error).__name__}"
            return [self.reason]
        finally:
            with suppress(TimeoutError, KafkaError, OSError):
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    await client.close()
        found = {each: len(cluster.partitions_for_topic(settings.topic(each)) or ()) for each in TOPICS}
        faults = self._faults(found)
        # Said for as long as the faults may still go away.
        self.reason = "; ".join(faults)
        self._answered = True
        return faults

    def _faults(self, found: dict[Topic, int]) -> list[str]:
        settings = self._settings
        missing = [settings.topic(topic) for topic, count in found.items() if not count]
        faults: list[str] = []
        if missing:
            faults.append(f"no topic {', '.join(missing)}: run `qingyu topics apply`, or mend QINGYU_TOPIC_PREFIX")
        for topic, count in found.items():
            wanted = settings.partitions if topic.partitioned else 1
            if count not in (0, wanted):
                faults.append(
                    f"topic {settings.topic(topic)} has {count} partitions, QINGYU_PARTITIONS wants {wanted}: set it "
                    "to what is there, or use another QINGYU_TOPIC_PREFIX"
                )
        return faults
