"""A local server is one process of somebody else's program on this machine, with a data directory of its own.

What tests and demos do to it: kill it, let it hang, start it again on the same data and ports.
"""

import random
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local import leash
from deploy.local.cache import LocalServerError

HOST = "127.0.0.1"
# Below the ports that systems hand out to outgoing connections (Linux from 32768): a client that tries to reconnect
# while the broker is down could otherwise be given the broker's own port, and the broker could not come back.
_FREE_PORTS = range(20_000, 32_000)
_STOP_LIMIT_S = 30.0


class LocalServer(ABC):
    """A server that was started here; left by ``stop`` or as a context manager."""

    def __init__(self, directory: Path) -> None:
        """Name a server by its data directory without starting it."""
        self._directory = directory.absolute()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _launch(self) -> None:
        """Start the process in ``self._process`` and return when it is ready."""

    @property
    def pid(self) -> int:
        """Process id of the server, also of one that has ended."""
        return self._started().pid

    def is_alive(self) -> bool:
        """Whether the process runs, be it paused or not."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would end the process; its data stay."""
        leash.kill(self._started())

    def pause(self) -> None:
        """Let it hang (SIGSTOP): connections stay open and nothing answers."""
        leash.pause(self._started())

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        leash.signal_group(self._started(), signal.SIGCONT)

    def stop(self) -> None:
        """End it in good order (SIGTERM), or kill it when that takes longer than half a minute; once is enough."""
        leash.end(self._started(), grace_s=_STOP_LIMIT_S)

    def restart(self) -> None:
        """Start it again on the same data and ports and wait until it is ready; one that still runs is stopped first.

        Raises:
            LocalServerError: as its ``start``.
        """
        self.stop()
        self._launch()

    def __enter__(self) -> Self:
        """Give the server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise LocalServerError("broker_ended", "the server was never started; use its start")
        return self._process


def free_ports(count: int) -> tuple[int, ...]:
    """So many ports of this machine that nobody listens on at the moment."""
    return tuple(number for number in random.sample(_FREE_PORTS, 200) if is_free(number))[:count]


def is_free(port: int) -> bool:
    """Whether a server could listen on a port."""
    with socket.socket() as probe:
        # As servers do: a port whose old connections are still fading out is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
