"""Closing gives a Kafka client back: within a limit, and whatever becomes of the client's own tasks.

A client that is stopped while it waits to try again lets the cancellation of its own tasks out. To who stops it that
would look like being cancelled itself: a task would end without a word, or the process with it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient

LIMIT_S = 10.0

_log = structlog.get_logger(__name__)


async def close_client(client: AIOKafkaConsumer | AIOKafkaProducer, limit_s: float = LIMIT_S) -> None:
    """Stop a client; where that fails or takes longer than `limit_s` [s], close its connections at least."""
    if await _is_done(client.stop(), limit_s):
        return
    # A consumer has no public way to its connections.
    connections: AIOKafkaClient = client.client if isinstance(client, AIOKafkaProducer) else client._client
    await _is_done(connections.close(), limit_s)


async def _is_done(work: Coroutine[Any, Any, None], limit_s: float) -> bool:
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=limit_s)
    finally:
        if not task.done():
            task.cancel()
    if not task.done() or task.cancelled():
        return False
    if (error := task.exception()) is not None:
        _log.warning("a Kafka client did not stop cleanly", error=repr(error))
    return error is None
