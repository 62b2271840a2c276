"""Memory that a process has freed does not stay with it."""

import subprocess
import sys

from services.memory import ARENAS

# Thirty thousand pieces of some KiB are freed, and of every hundred one stays behind them.
FREEING = """
import os, time
from bench.using import memory_mib
from services.memory import give_back_regularly
own_mib = lambda: memory_mib(os.getpid(), "RssAnon")
pieces = [bytes(3000 + number % 4000) for number in range(30_000)]
taken = own_mib()
kept = pieces[99::100]
del pieces
freed = own_mib()
give_back_regularly(0.05)
end = time.monotonic() + 60
while own_mib() > taken - 100 and time.monotonic() < end:
    time.sleep(0.05)
print(taken, freed, own_mib())
"""

# Eight threads hold memory at once; the C library tells of each arena on a line of its own.
SHARING = """
import ctypes, threading
from services.memory import give_back_regularly
give_back_regularly()
barrier = threading.Barrier(8)
def take():
    barrier.wait()
    pieces = [bytes(3000) for _ in range(100)]
    barrier.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(library.fopen(b"/dev/stdout", b"w"))
library.malloc_info(0, stream)
library.fclose(stream)
"""

SERVED = """
import threading
from services.command import serving
serving._serve_of = lambda role: lambda settings: print(*(each.name for each in threading.enumerate()))
serving.serve(serving.Role.API)
"""


def test_what_is_freed_between_things_that_stay_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", FREEING], capture_output=True, text=True, check=True)
    taken, freed, given_back = map(float, run.stdout.split())
    assert freed > taken - 10, "without being asked nothing goes back"
    assert given_back < taken - 100


def test_threads_share_what_is_free() -> None:
    run = subprocess.run([sys.executable, "-c", SHARING], capture_output=True, text=True, check=True)
    assert run.stdout.count("<heap nr=") == ARENAS


def test_every_process_that_is_served_gives_back() -> None:
    run = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["MainThread", "memory"]
