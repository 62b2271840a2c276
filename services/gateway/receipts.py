"""A receipt says what became of each item of a batch: how many were accepted, and which were rejected and why.

Each rejected item goes to topic `rejected` too, as the JSON text that came.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from schemas.messages import VERSION, Rejected, encode
from schemas.partitioner import partition_of_key
from schemas.pushed import encode_input
from schemas.topics import REJECTED
from services.gateway import figures
from services.outbox import Message
from streams.domain.checking import Rejection

# Of an input larger than this [bytes of JSON] the dead letter keeps the hash only.
MAX_INPUT_BYTES = 4096


def receipt(batch: str | None, accepted: int, rejected: Iterable[Rejection]) -> dict[str, Any]:
    """Return the answer to the sender."""
    items = [{"index": one.index, "code": one.code, "message": one.message} for one in rejected]
    return {"batch": batch, "accepted": accepted, "rejected": items}


def dead_letters(
    rejected: Iterable[Rejection], source: str, where: dict[str, Any], at_ms: int, partitions: int
) -> list[Message]:
    """Return the messages for topic `rejected`, one an item, under the source (or `-`); `where` says of which batch."""
    partition = partition_of_key(source, partitions)
    messages: list[Message] = []
    for one in rejected:
        figures.REJECTED.labels(one.code).inc()
        letter = Rejected(
            VERSION, one.code, one.message, at_ms, {**where, "index": one.index}, source, _kept(one.input)
        )
        messages.append(Message(REJECTED, partition, source.encode(), encode(letter)))
    return messages


def _kept(sent: Any) -> Any:
    # As text: an ordinary reader of JSON would pass the numbers through doubles, and some fit none.
    text = encode_input(sent)
    if len(text) <= MAX_INPUT_BYTES:
        return text.decode()
    return {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}
