"""History is the state of days that are over: computed for one enterprise by the worker's own fold, copied to others.

All enterprises of a bench have the same readings, so the copies are what the fold would have come to for each of them.
"""

from collections.abc import Iterator

from bench import city
from schemas.partitioner import partition_of_key
from schemas.settings import Settings
from schemas.topics import STATE
from streams.domain.fold import Cursor, PartitionFold
from streams.domain.inputs import Record
from streams.domain.plan import Plans
from streams.domain.state import BLOCK, HEAD, PLACE, MemoryMap, state_key
from streams.stores.state import StateStore
from tests.registry_writing import snapshot_of

DAY_MINUTES = 1440
YEAR_DAYS = 365
# What a register has counted in all before the earliest history.
_BEFORE = 20 * (YEAR_DAYS + 2) * DAY_MINUTES
_NOISE = 16
# Blocks and places are derived, and on no topic.
_DERIVED = (BLOCK, PLACE)
_AT_ONCE = 20_000


def count(meter: int, minute: int) -> int:
    """Return a register's count at a minute: as a meter's of the field no minute is like another, so it packs as one's.

    Minutes before the bench's start are negative.
    """
    return _BEFORE + 20 * minute + (minute * 7919 + meter * 104_729) * 2_654_435_761 % 2**32 % 89 % _NOISE


def records(enterprises: int, meters: int, days: int) -> Iterator[tuple[str, dict[bytes, bytes | None]]]:
    """Yield (enterprise, what its state has of the last days before the bench's start), without what is derived."""
    plans = Plans(snapshot_of(city.documents(enterprises=enterprises, meters=meters)))
    first = city.enterprise_id(0)
    state, cursor = MemoryMap(), Cursor()
    fold = PartitionFold(0, state, lambda enterprise: enterprise == first)
    fold.follow(plans)
    minutes = range(-days * DAY_MINUTES, 0, DAY_MINUTES)
    for offset, (_, value) in enumerate(city.stream(1, meters, minutes, count)):
        effects = fold.step(cursor, [Record("readings", 0, offset, city.START_MS, value)])
        state.write({**effects.durable, **effects.local})
        cursor = effects.cursor
    kept = {key: value for key, value in state.entries.items() if _kind(key) not in _DERIVED}
    for number in range(enterprises):
        name = city.enterprise_id(number)
        plan = plans.of(name)
        assert plan is not None
        copied: dict[bytes, bytes | None] = {
            name.encode() + key.removeprefix(first.encode()): value.replace(
                f'"enterprise/{first}"'.encode(), f'"enterprise/{name}"'.encode()
            )
            for key, value in kept.items()
        }
        yield name, {**copied, state_key(name, HEAD): plan.digest.encode()}


def _kind(key: bytes) -> str:
    return key.split(b"|")[1].decode()


def put_on_disk(settings: Settings, enterprises: int, meters: int, days: int) -> None:
    """Write history into the local copies of all partitions, as a worker has them that was stopped."""
    stores = [
        StateStore(settings.data / "state" / settings.topic(STATE) / str(number))
        for number in range(settings.partitions)
    ]
    waiting: list[dict[bytes, bytes | None]] = [{} for _ in stores]
    for name, found in records(enterprises, meters, days):
        place = partition_of_key(name, settings.partitions)
        waiting[place].update(found)
        if len(waiting[place]) > _AT_ONCE:
            stores[place].take_changelog(waiting[place], 0)
            waiting[place] = {}
    for store, rest in zip(stores, waiting, strict=True):
        store.take_changelog(rest, 0)
        store.close()
