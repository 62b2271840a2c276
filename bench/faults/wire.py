"""A wire is the way of one process to its Kafka, laid through this process so that it can be broken.

A held wire takes what is sent and brings nothing, as a network does that drops every packet; a deaf one brings what the
process sends and none of the answers; a cut one resets what is connected and refuses the rest.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, Literal, Self

from deploy.local.server import HOST

State = Literal["whole", "held", "deaf", "cut"]

_BYTES = 64 << 10
_CALL_S = 10.0


class Wires:
    """The loop that all wires run in, in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._wires: list[Wire] = []

    def __enter__(self) -> Self:
        """Begin to carry."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut everything and end."""
        for wire in self._wires:
            wire.set("cut")
            self.call(wire.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._loop.close()

    def lay(self) -> "Wire":
        """Return a new wire, whole, which leads nowhere yet."""
        wire = Wire(self)
        self.call(wire.listen())
        self._wires.append(wire)
        return wire

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Have work done in the loop."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_S)


class Wire:
    """Carries connections made to `port` on to the port `to`, in the state it was set to."""

    def __init__(self, wires: Wires) -> None:
        self.port = 0
        self.to = 0
        self.carried = 0  # connections so far
        self._wires = wires
        self._server: asyncio.Server | None = None
        self._state: State = "whole"
        self._changed = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Open the port."""
        self._server = await asyncio.start_server(self._carry, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close the port, and wait for what is being carried."""
        assert self._server is not None
        self._server.close()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, state: State, *, reset: bool = False) -> None:
        """Break the wire or mend it; `reset` ends the connections there are, as a long silence would have.

        What a held wire kept arrives when it is mended, unless it is reset.
        """
        self._wires.call(self._set(state, reset or state == "cut"))

    async def _set(self, state: State, reset: bool) -> None:
        self._state = state
        if reset:
            for end in list(self._ends):
                end.transport.abort()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._ends.add(writer)
        self.carried += 1
        try:
            await self._passes(("whole", "deaf"))
            there, back = await asyncio.open_connection(HOST, self.to)
            self._ends.add(back)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, back, ("whole", "deaf")))
                    both.create_task(self._pump(there, writer, ("whole",)))
            finally:
                self._ends.discard(back)
                back.transport.abort()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._ends.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, states: tuple[State, ...]
    ) -> None:
        while data := await reader.read(_BYTES):
            await self._passes(states)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("one side has ended")

    async def _passes(self, states: tuple[State, ...]) -> None:
        while self._state not in states:
            if self._state == "cut":
                raise ConnectionResetError("the wire is cut")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CALL_S):
                    await self._changed.wait()
