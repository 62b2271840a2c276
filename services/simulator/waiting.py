"""Waiting is asking again and again whether something is so, with a limit."""

import time
from collections.abc import Callable


def wait_until(check: Callable[[], bool], limit_s: float, every_s: float = 0.1) -> bool:
    """Call `check` until it returns true or the time [s] is over; return whether it did."""
    deadline_s = time.monotonic() + limit_s
    while not check():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(every_s)
    return True
