"""A leash: what ties a child process to its parent, so that it ends when the parent does, however the parent ends.

On Linux the kernel kills the child when the parent is gone (prctl, PR_SET_PDEATHSIG). Elsewhere there is no such call,
and the child ends only because its owner stops it. The kernel means the *thread* that started the child, so all
children are started from one thread that lives as long as the process.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.cache import LocalServerError

# Runs in the child before the command replaces it: a preexec_fn would run Python between fork and exec, which can hang
# in a process that has threads. 1 is PR_SET_PDEATHSIG; a parent that died before the call is seen by the parent's id.
_TRAMPOLINE = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leash")


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
    leashed: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a command in a session, and so a process group, of its own: a Ctrl-C in the terminal does not reach it.

    Args:
        command: program and arguments; the program is looked up on PATH.
        log: file that what it writes is appended to.
        env: its whole environment; the parent's when None.
        pass_fds: file descriptors it inherits.
        leashed: whether it ends with this process, where the system can do that.

    Raises:
        LocalServerError: ``command_missing`` when there is no such program.
    """
    program = shutil.which(command[0])
    if program is None:
        raise LocalServerError("command_missing", f"{command[0]} is no program on PATH")
    whole = [program, *command[1:]]
    if leashed and sys.platform == "linux":
        whole = [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid()), *whole]
    with log.open("ab") as file:
        started = _starter.submit(
            subprocess.Popen[bytes],
            whole,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        return started.result()


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a child of ``spawn`` and to all it started; one that has ended is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # macOS answers EPERM where only zombies are left in the group.
        os.killpg(process.pid, number)


def pause(process: subprocess.Popen[bytes]) -> None:
    """Stop a child of ``spawn`` and all it started (STOP), and return when the child stands still or has ended."""
    signal_group(process, signal.SIGSTOP)
    # The kernel stops one thread after the other, and those that still run can answer; it tells when all have stopped.
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def end(process: subprocess.Popen[bytes], *, grace_s: float) -> int:
    """Ask a child of ``spawn`` to end (TERM), kill its group after the grace, and return its exit status.

    Args:
        process: the child; may be paused or have ended.
        grace_s: time it has to end by itself [s].
    """
    if process.poll() is None:
        signal_group(process, signal.SIGTERM)
        # A stopped process sees TERM only when it goes on.
        signal_group(process, signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    return kill(process)


def kill(process: subprocess.Popen[bytes]) -> int:
    """Kill a child of ``spawn`` and all it started, and return its exit status (-9 when it was still running)."""
    signal_group(process, signal.SIGKILL)
    # SIGKILL cannot be refused; only a process stuck in the kernel outlives the limit, and then TimeoutExpired says so.
    return process.wait(30.0)
