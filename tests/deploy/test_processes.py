"""Processes are restarted when they ask for it, obey by name, and never outlive the one who started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.cache import LocalServerError
from deploy.local.processes import TRY_AGAIN, Processes


def python(code: str) -> list[str]:
    """A command that runs a line of Python."""
    return [sys.executable, "-S", "-c", f"import os, signal, subprocess, sys, time; {code}"]


SLEEP = python("print('up', flush=True); time.sleep(60)")


def until(holds: Callable[[], object], *, limit_s: float = 120.0) -> None:
    """Return when something holds; fail when it does not in time."""
    deadline_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not hold in time"
        time.sleep(0.01)


def exists(pid: int) -> bool:
    """Whether a process is there and is not only waiting to be collected."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
    )
    return done.returncode == 0 and not done.stdout.startswith("Z")


def test_output_and_errors_go_to_the_log_of_the_process(tmp_path: Path) -> None:
    with Processes(tmp_path, env={"SET": "a"}) as processes:
        code = "print(os.environ['SET'] + os.environ['OWN'], flush=True); print('bad', file=sys.stderr)"
        processes.start("one", python(code), env={"OWN": "b"})
        assert processes.wait("one", limit_s=200) == 0
        assert processes.log("one").read_text() == "ab\nbad\n"


def test_a_process_that_ends_with_75_is_started_again_after_waits_that_double(tmp_path: Path) -> None:
    with Processes(tmp_path, first_wait_s=0.1, longest_wait_s=0.4) as processes:
        processes.start("one", python(f"print(time.time(), flush=True); sys.exit({TRY_AGAIN})"))
        until(lambda: processes.restarts("one") >= 5)
        processes.stop("one")
        times_s = [float(line) for line in processes.log("one").read_text().split()]
    gaps_s = [after - before for before, after in zip(times_s, times_s[1:], strict=False)]
    for gap_s, least_s in zip(gaps_s, (0.1, 0.2, 0.4, 0.4), strict=False):
        assert gap_s >= least_s


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_process_that_ends_with_another_status_stays_ended(tmp_path: Path, status: int) -> None:
    with Processes(tmp_path, first_wait_s=0.01) as processes:
        processes.start("one", python(f"sys.exit({status})"))
        assert processes.wait("one", limit_s=200) == status
        time.sleep(0.3)
        assert processes.restarts("one") == 0
        assert processes.endings("one") == (status,)


def test_a_killed_process_stays_dead_until_it_is_restarted(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        first = processes.start("one", SLEEP)
        processes.kill("one")
        assert not processes.alive("one")
        second = processes.restart("one")
        assert second != first
        assert processes.alive("one")
        assert processes.endings("one") == (-signal.SIGKILL,)


def test_a_process_that_kills_itself_comes_back_when_that_was_asked_for(tmp_path: Path) -> None:
    with Processes(tmp_path, first_wait_s=0.01) as processes:
        code = "open('died', 'x'); os.kill(os.getpid(), signal.SIGKILL)"
        again = f"os.chdir({str(tmp_path)!r}); exec({code!r}) if not os.path.exists('died') else time.sleep(60)"
        processes.start("one", python(again), restart_on=(TRY_AGAIN, -signal.SIGKILL))
        until(lambda: processes.restarts("one") == 1 and processes.alive("one"))
        assert processes.endings("one") == (-signal.SIGKILL,)


def test_a_paused_process_does_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("one", python("[(print('.', flush=True), time.sleep(0.01)) for _ in iter(int, 1)]"))
        until(lambda: processes.log("one").stat().st_size > 0)
        processes.pause("one")
        time.sleep(0.1)
        size = processes.log("one").stat().st_size
        time.sleep(0.2)
        assert processes.log("one").stat().st_size == size
        processes.resume("one")
        until(lambda: processes.log("one").stat().st_size > size)


def test_stopping_asks_first_and_kills_after_the_grace(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("mild", python("signal.signal(15, lambda *_: sys.exit(3)); print(flush=True); time.sleep(60)"))
        processes.start("deaf", python("signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"))
        until(lambda: processes.log("mild").stat().st_size and processes.log("deaf").stat().st_size)
        assert processes.stop("mild") == 3
        assert processes.stop("deaf", grace_s=0.2) == -signal.SIGKILL


def test_leaving_the_set_ends_paused_processes_and_grandchildren_too(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        paused = processes.start("paused", SLEEP)
        processes.pause("paused")
        code = "print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
        parent = processes.start("parent", python(code))
        until(lambda: processes.log("parent").read_text().endswith("\n"))
        child = int(processes.log("parent").read_text())
    until(lambda: not any(exists(pid) for pid in (paused, parent, child)))


def test_processes_end_with_the_one_who_started_them(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ends a child with its parent")
    code = (
        "import pathlib, sys, time; from deploy.local.processes import Processes;"
        "print(Processes(pathlib.Path(sys.argv[1])).start('one', ['sleep', '60']), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = int(starter.stdout.readline())
        os.kill(starter.pid, signal.SIGKILL)
    until(lambda: not exists(child))


def test_a_name_in_use_an_unknown_name_and_an_unknown_program_are_refused(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("one", SLEEP)
        with pytest.raises(LocalServerError, match="process one is running"):
            processes.start("one", SLEEP)
        with pytest.raises(LocalServerError, match="no process 'two' was started; there are: one"):
            processes.kill("two")
        with pytest.raises(LocalServerError, match="no-such-program is no program on PATH"):
            processes.start("three", ["no-such-program"])
        with pytest.raises(LocalServerError, match="cannot name a log file"):
            processes.start("../four", SLEEP)
