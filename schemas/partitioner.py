"""The partitioner says which partition a key lives in: murmur2 as Kafka's own clients compute it.

All that belongs to an enterprise (its meters too) goes by the bare enterprise id; any other entity by `kind/id`.
"""

from functools import lru_cache

from schemas.ids import enterprise_of

_M = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash of `data` (unsigned)."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=262_144)
def partition_of_key(key: str, partitions: int) -> int:
    """Return the partition (from 0) of a bare key among `partitions`, as Kafka's default partitioner does."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def partition_of(entity: str, partitions: int) -> int:
    """Return the partition of an entity (`kind/id`): that of its enterprise where it has one, else of `kind/id`."""
    return partition_of_key(enterprise_of(entity) or entity, partitions)
