"""What is known besides events: the registry, and what people have done; both are followed as their topics go on."""

import asyncio
from typing import Any

from schemas.settings import Settings
from streams.domain.attention import Attention
from streams.stores.handling_topic import HandlingFollower
from streams.stores.registry_topic import RegistryFollower


class Known:
    """Followed from `start` to `stop`; `attention` goes on with what is read, and `changes` counts how often it did."""

    def __init__(self, settings: Settings) -> None:
        self.registry = RegistryFollower(settings)
        self._handling = HandlingFollower(settings)
        # Functions that are called after people did something; they must not wait.
        self.on_handling = self._handling.on_change
        self.changes = 0
        self.on_handling.append(self._changed)
        self.registry.on_change.append(lambda _: self._changed())
        self.attention = Attention(self._handling.handled, self._handling.silences)

    @property
    def loaded(self) -> bool:
        """Whether both topics were read to their ends once since the start."""
        return self.registry.loaded and self._handling.loaded

    @property
    def ready(self) -> bool:
        """Whether both were read once and Kafka has answered lately."""
        return self.registry.ready and self._handling.ready

    def state(self) -> dict[str, Any]:
        """Return figures for /readyz."""
        return {**self.registry.state(), "handling_loaded": self._handling.loaded}

    def _changed(self) -> None:
        self.changes += 1

    async def start(self) -> None:
        """Begin to follow; `loaded` tells when it has succeeded."""
        await self.registry.start(limit_s=0)
        await self._handling.start()

    async def stop(self) -> None:
        """Stop following; what was read stays."""
        await self._handling.stop()
        await self.registry.stop()

    async def read_to_end(self) -> None:
        """Return when everything committed before this call is known; raise FollowingError when that takes too long."""
        await asyncio.gather(self.registry.read_to_end(), self._handling.read_to_end())
