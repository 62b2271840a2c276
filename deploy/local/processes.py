"""Processes: the commands that make up a running Qingyu on this machine, each a child with a log of its own.

Demo and kill tests start, kill, pause and restart them by name. A process that ends with status 75 (try again) is
started again after a wait that doubles, as a service manager would; whatever else happens, none outlives the one who
started them.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGTERM, Signals
from types import TracebackType
from typing import Self

from deploy.local import leash
from deploy.local.cache import LocalServerError

# EX_TEMPFAIL of sysexits.h: a process asks to be started again.
TRY_AGAIN = 75
_WATCH_EVERY_S = 0.05


@dataclass(slots=True)
class _Kept:
    command: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    restart_on: frozenset[int]
    process: subprocess.Popen[bytes]
    started_s: float
    wait_s: float
    restarts: int = 0
    # Monotonic time of the next start; None when none is due.
    due_s: float | None = None
    stopping: bool = False
    # Whether the end of the present process stands in ``ended``.
    noted: bool = False
    ended: list[int] = field(default_factory=list)


class Processes:
    """A set of named processes; a context manager that leaves none behind."""

    def __init__(
        self,
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
        first_wait_s: float = 0.1,
        longest_wait_s: float = 5.0,
    ) -> None:
        """Make an empty set.

        Args:
            directory: where the logs go, ``NAME.log``; made when missing.
            env: added to this process's environment for all of them.
            first_wait_s: wait before the first restart; it doubles at each one that follows soon [s].
            longest_wait_s: limit of the wait; after a life longer than this it begins at the first wait again [s].
        """
        self._directory = directory
        self._env = dict(env or {})
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="processes", daemon=True)
        directory.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        restart_on: Collection[int] = (TRY_AGAIN,),
    ) -> int:
        """Start a command under a name and return its process id.

        Args:
            name: names the process here and its log; may be used again when the process before has ended.
            command: program and arguments. Name the program itself, not a launcher such as ``uv run``: only the
                direct child is sure to end when this process is killed.
            env: added to the environment of the set.
            restart_on: exit statuses after which it is started again; ``-9`` stands for SIGKILL.

        Raises:
            LocalServerError: ``already_running`` when the name is in use, ``bad_name`` when it is no file name,
                ``command_missing`` when there is no such program, ``stopped`` after ``stop_all``.
        """
        if not name or name != Path(name).name:
            raise LocalServerError("bad_name", f"{name!r} cannot name a log file; use letters, digits and hyphens")
        with self._lock:
            if self._closed.is_set():
                raise LocalServerError("stopped", "this set of processes was stopped; make a new one")
            before = self._kept.get(name)
            if before is not None and (before.process.poll() is None or before.due_s is not None):
                raise LocalServerError("already_running", f"process {name} is running; stop it first")
            whole_env = {**os.environ, **self._env, **(env or {})}
            log = self._directory / f"{name}.log"
            kept = _Kept(
                tuple(command),
                whole_env,
                log,
                frozenset(restart_on),
                leash.spawn(command, log=log, env=whole_env),
                time.monotonic(),
                self._first_wait_s,
            )
            self._kept[name] = kept
            if not self._watcher.is_alive():
                self._watcher.start()
            return kept.process.pid

    def names(self) -> tuple[str, ...]:
        """All names that were started, in that order, also of processes that have ended."""
        with self._lock:
            return tuple(self._kept)

    def pid(self, name: str) -> int:
        """Process id of the last start."""
        return self._find(name).process.pid

    def log(self, name: str) -> Path:
        """File that what the process writes is appended to."""
        return self._find(name).log

    def alive(self, name: str) -> bool:
        """Whether the process runs now; a paused one does, one that waits for its restart does not."""
        return self._find(name).process.poll() is None

    def restarts(self, name: str) -> int:
        """How often the process was started again by itself."""
        return self._find(name).restarts

    def endings(self, name: str) -> tuple[int, ...]:
        """Exit statuses of all ends so far, oldest first; ``-9`` stands for SIGKILL."""
        with self._lock:
            kept = self._find(name)
            self._note_end(kept)
            return tuple(kept.ended)

    def wait(self, name: str, *, limit_s: float) -> int:
        """Wait until the present process of that name ends and return its exit status.

        Args:
            name: the process.
            limit_s: how long to wait [s].

        Raises:
            TimeoutError: it still runs.
        """
        process = self._find(name).process
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {name} still runs after {limit_s} s") from None

    def kill(self, name: str) -> None:
        """End it at once with all it started (SIGKILL); ``restart_on`` says whether it comes back by itself."""
        leash.kill(self._find(name).process)

    def signal(self, name: str, number: Signals = SIGTERM) -> None:
        """Send a signal to it and to all it started."""
        leash.signal_group(self._find(name).process, number)

    def pause(self, name: str) -> None:
        """Let it hang (SIGSTOP)."""
        leash.pause(self._find(name).process)

    def resume(self, name: str) -> None:
        """Let a paused process go on (SIGCONT)."""
        self.signal(name, SIGCONT)

    def restart(self, name: str, *, grace_s: float = 10.0) -> int:
        """Stop it if it runs, start the same command again, and return the new process id.

        Args:
            name: the process.
            grace_s: time it has to end by itself [s].
        """
        kept = self._find(name)
        self.stop(name, grace_s=grace_s)
        with self._lock:
            self._note_end(kept)
            kept.stopping = False
            kept.wait_s = self._first_wait_s
            self._spawn(kept)
            return kept.process.pid

    def stop(self, name: str, *, grace_s: float = 10.0) -> int:
        """Ask it to end (TERM), kill it when it does not, and return its exit status; it is not started again.

        Args:
            name: the process; may be paused or have ended.
            grace_s: time it has to end by itself [s].
        """
        kept = self._find(name)
        with self._lock:
            kept.stopping = True
            kept.due_s = None
        return leash.end(kept.process, grace_s=grace_s)

    def stop_all(self, *, grace_s: float = 10.0) -> None:
        """Stop all at the same time, asking the last started first; the set is closed then.

        Args:
            grace_s: time all of them together have to end by themselves [s].
        """
        self._closed.set()
        with self._lock:
            all_kept = list(reversed(self._kept.values()))
            for kept in all_kept:
                kept.stopping = True
                kept.due_s = None
        for kept in all_kept:
            if kept.process.poll() is None:
                leash.signal_group(kept.process, SIGTERM)
                leash.signal_group(kept.process, SIGCONT)
        deadline_s = time.monotonic() + grace_s
        for kept in all_kept:
            with contextlib.suppress(subprocess.TimeoutExpired):
                kept.process.wait(max(0.0, deadline_s - time.monotonic()))
            leash.kill(kept.process)
        if self._watcher.is_alive():
            self._watcher.join(10.0)

    def __enter__(self) -> Self:
        """Give the set itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all."""
        self.stop_all()

    def _find(self, name: str) -> _Kept:
        try:
            return self._kept[name]
        except KeyError:
            known = ", ".join(self._kept) or "none"
            raise LocalServerError("bad_name", f"no process {name!r} was started; there are: {known}") from None

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH_EVERY_S):
            with self._lock:
                for kept in self._kept.values():
                    self._note_end(kept)
                    if kept.due_s is not None and time.monotonic() >= kept.due_s:
                        kept.restarts += 1
                        self._spawn(kept)

    def _note_end(self, kept: _Kept) -> None:
        """Write down an end once, and when it is followed by a restart; the lock is held."""
        status = kept.process.poll()
        if status is None or kept.noted:
            return
        kept.noted = True
        kept.ended.append(status)
        if status not in kept.restart_on or kept.stopping or self._closed.is_set():
            return
        if time.monotonic() - kept.started_s > self._longest_wait_s:
            kept.wait_s = self._first_wait_s
        kept.due_s = time.monotonic() + kept.wait_s
        kept.wait_s = min(2 * kept.wait_s, self._longest_wait_s)

    def _spawn(self, kept: _Kept) -> None:
        # What the ended one started must not live on beside its successor.
        leash.kill(kept.process)
        kept.due_s = None
        kept.noted = False
        kept.started_s = time.monotonic()
        kept.process = leash.spawn(kept.command, log=kept.log, env=kept.env)
