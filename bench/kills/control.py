"""The control is a worker with a fault of the kind that the proof must find: its offsets are safe before its outputs.

Each step of it first commits cursor and offsets, then outputs and state in a second transaction. Killed in between, it
takes the step for done when it comes back, and what the step was to say is never said.
"""

FAILPOINT = "control.between"

# Run in the worker's process before it serves.
WORKER_CODE = f"""
from aiokafka import TopicPartition
from schemas.messages import encode
from schemas.topics import READINGS, REPORTED, STATE
from streams.agents.partition import Partition
from streams.domain.state import CURSOR_KEY
from streams.failpoints import hit

whole = Partition._commit

async def offsets_first(self, effects):
    producer, settings, cursor = self._producer, self._settings, effects.cursor
    await producer.begin_transaction()
    await (await producer.send(settings.topic(STATE), encode(cursor), CURSOR_KEY, self.number))
    readings = TopicPartition(settings.topic(READINGS), self.number)
    reported = TopicPartition(settings.topic(REPORTED), self.number)
    offsets = {{readings: cursor.readings, reported: cursor.reported}}
    await producer.send_offsets_to_transaction(offsets, settings.group("worker"))
    await producer.commit_transaction()
    hit("{FAILPOINT}")
    await whole(self, effects)

Partition._commit = offsets_first
"""
