"""What a process freed goes back to the system only when the C library is asked: else its memory only grows.

At an hour's end and at midnight a worker computes all its enterprises at once, and so do those who read what it made.
What that took is free a moment later, but small things that stay lie in between, and whatever next does not fit the
gaps is put behind them. Threads are given parts of their own (arenas, eight a core), and what is free in one serves no
other thread.
"""

import ctypes
import threading
import time

EVERY_S = 10.0
# For all threads together, the main one included.
ARENAS = 2
_M_ARENA_MAX = -8


def give_back_regularly(every_s: float = EVERY_S) -> None:
    """Begin to return memory that is free to the system, in whole pages, in a thread that ends with the process.

    Once takes some milliseconds. Threads that begin later share ARENAS parts of the memory. Nothing is done where the
    C library has no way to.
    """
    library = ctypes.CDLL(None)
    trim, option = getattr(library, "malloc_trim", None), getattr(library, "mallopt", None)
    if trim is None or option is None:
        return
    option(_M_ARENA_MAX, ARENAS)

    def run() -> None:
        while True:
            time.sleep(every_s)
            trim(0)

    threading.Thread(target=run, name="memory", daemon=True).start()
