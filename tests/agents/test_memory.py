"""Memory that a process has freed does not stay with it."""

import subprocess
import sys

# Thirty thousand pieces of some KiB are freed, and of every hundred one stays behind them.
FREEING = """
import os
from bench.using import memory_mib
from streams.agents.memory import give_back
pieces = [bytes(3000 + number % 4000) for number in range(30_000)]
taken = memory_mib(os.getpid(), "RssAnon")
kept = pieces[99::100]
del pieces
freed = memory_mib(os.getpid(), "RssAnon")
give_back()
print(taken, freed, memory_mib(os.getpid(), "RssAnon"))
"""


def test_what_is_freed_between_things_that_stay_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", FREEING], capture_output=True, text=True, check=True)
    taken, freed, given_back = map(float, run.stdout.split())
    assert freed > taken - 10, "without being asked nothing goes back"
    assert given_back < taken - 100
