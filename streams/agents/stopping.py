"""A worker stops on purpose rather than go on in doubt: the process ends at once and its supervisor starts it again.

That is as safe as SIGKILL: an open transaction is aborted by the partition's next owner.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

RESTART = 75  # EX_TEMPFAIL: start me again


CANNOT_SERVE = 1  # somebody must do something first


def die(why: str, status: int = RESTART) -> NoReturn:
    """End the process, after saying why on standard error; status 75 unless a new start would end the same way."""
    sys.stderr.write(f"qingyu worker stops on purpose: {why}\n")
    sys.stderr.flush()
    os._exit(status)


def watched(run: Callable[[], Awaitable[None]], name: str) -> Callable[[], Awaitable[None]]:
    """Return a side task that ends the process when it fails: one that is gone would go unnoticed."""

    async def task() -> None:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 -- said and acted upon
            die(f"{name} failed: {type(error).__name__}: {error}")

    task.__name__ = name
    return task
