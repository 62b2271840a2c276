"""What a process freed goes back to the system only when the C library is asked: else its memory only grows.

At an hour's end and at midnight a worker computes all its enterprises at once. What that took is free a moment later,
but small things that stay lie in between, and whatever next does not fit the gaps is put behind them.
"""

import asyncio
import ctypes

EVERY_S = 60.0


def give_back() -> None:
    """Return memory that is free to the system, in whole pages; nothing where the C library has no way to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def give_back_regularly() -> None:
    """Return memory that is free to the system every minute, for ever; once takes some milliseconds."""
    while True:
        await asyncio.sleep(EVERY_S)
        give_back()
