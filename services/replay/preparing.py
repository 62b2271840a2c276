"""What a replay needs before it begins: the registry as it stands, and room on disk for its own state."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.settings import Settings
from services.replay.errors import AskedWrongError, ReplayError
from services.replay.held import Held
from streams.domain.registration import Accepted, register
from streams.domain.registry import Snapshot
from streams.stores.registry_topic import RegistryFollower, RegistryUnavailableError
from streams.stores.state import StateError, StateStore

REGISTRY_S = 60.0


async def registered(settings: Settings) -> Snapshot:
    """Return the registry as it stands in its topic."""
    follower = RegistryFollower(settings)
    try:
        if not await follower.start(REGISTRY_S):
            raise ReplayError(
                f"the registry was not read within {REGISTRY_S:.0f} s: is Kafka at {settings.kafka} well?"
            )
        return await follower.read_to_end()
    except RegistryUnavailableError as error:
        raise ReplayError(str(error)) from error
    finally:
        await follower.stop()


def of_documents(raws: Sequence[Any], version: int) -> Snapshot:
    """Return a registry that consists of these documents, at a version; raise AskedWrongError naming each fault."""
    accepted = register((), raws)
    if not isinstance(accepted, Accepted):
        faults = "; ".join(f"{each.path}: {each.code}: {each.message}" for each in accepted.errors[:10])
        raise AskedWrongError(f"these documents are no registry: {faults}")
    return Snapshot.build(version, accepted.documents)


@contextmanager
def room(parent: Path | None) -> Iterator[Held]:
    """Give room on disk, in a folder of its own that is removed at the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="qingyu-replay-", dir=parent))
    except OSError as error:
        raise AskedWrongError(f"no temporary folder can be made: {error}; name one with --temp") from error
    try:
        store = StateStore(folder / "state")
        try:
            yield Held(store)
        finally:
            store.close()
    except StateError as error:
        raise ReplayError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
