"""A local InfluxDB: one real influxd process on this machine, set up, for demo, tests and benches.

From Python it is a context manager that ends with its process::

    with influx(directory) as server:
        server.address, server.org, server.token

``QINGYU_INFLUX=http://..`` names a server that is there already, with ``QINGYU_INFLUX_TOKEN`` and
``QINGYU_INFLUX_ORG``; then nothing is started.
"""

import contextlib
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deploy.local import influxd, leash
from deploy.local.cache import LocalServerError
from deploy.local.server import HOST, LocalServer, free_ports, is_free

ORG = "qingyu"
# A start takes 1 s on two idle cores; after SIGKILL in the midst of a long load the log is read again first.
_READY_LIMIT_S = 120.0
_ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class ForeignInflux:
    """A server that somebody else runs, named by ``QINGYU_INFLUX``: it can be used, but not killed or paused."""

    address: str
    org: str
    token: str


class LocalInflux(LocalServer):
    """One influxd with a data directory of its own; made by ``start``, left by ``stop`` or as a context manager."""

    def __init__(self, directory: Path, port: int, program: Path, *, leashed: bool) -> None:
        """Name a server without starting it; ``start`` is what callers want."""
        super().__init__(directory)
        self._port = port
        self._program = program
        self._leashed = leashed
        self.org = ORG
        self.token = ""

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        port: int | None = None,
        leashed: bool = True,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Start a server and wait until it is ready and set up.

        Args:
            directory: its data, ``token`` and ``influxd.log``; made when missing, and what is there is kept.
            port: port of its clients; a free one when None.
            leashed: whether the server ends with this process, where the system can do that.
            tell: hears how far the building of influxd is, where that is needed.

        Raises:
            LocalServerError: as ``influxd.fetch``; ``port_taken``, ``broker_ended`` or ``not_ready``.
        """
        program = influxd.fetch(tell)
        number = port or free_ports(1)[0]
        if not is_free(number):
            raise LocalServerError("port_taken", f"port {number} is in use; name another one")
        server = cls(directory, number, program, leashed=leashed)
        server._launch()
        return server

    @property
    def address(self) -> str:
        """Address of its HTTP, the same after ``restart``."""
        return f"http://{HOST}:{self._port}"

    @property
    def log(self) -> Path:
        """File of what the server writes: warnings and errors."""
        return self._directory / "influxd.log"

    def _launch(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [str(self._program), "--reporting-disabled", "--log-level", "warn"]
        command += ["--http-bind-address", f"{HOST}:{self._port}"]
        for name in ("bolt", "sqlite", "engine"):
            command += [f"--{name}-path", str(self._directory / name)]
        self._process = leash.spawn(command, log=self.log, leashed=self._leashed)
        try:
            self._wait_until_ready()
            self._set_up()
        except BaseException as error:
            # Also on Ctrl-C: nobody else knows of a server that did not become ready.
            leash.kill(self._process)
            if not isinstance(error, LocalServerError):
                raise
            last = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            raise LocalServerError(error.code, f"{error}; the end of {self.log}:\n{last}") from error

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + _READY_LIMIT_S
        while True:
            with contextlib.suppress(OSError, ValueError):
                if _asked(f"{self.address}/health").get("status") == "pass":
                    return
            if not self.is_alive():
                raise LocalServerError("broker_ended", "influxd has ended while it was starting")
            if time.monotonic() > deadline_s:
                raise LocalServerError("not_ready", f"influxd is not ready after {_READY_LIMIT_S:.0f} s")
            time.sleep(0.05)

    def _set_up(self) -> None:
        kept = self._directory / "token"
        # Written before the set-up, which can be done once only: a start that was cut off there goes on with it.
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        self.token = kept.read_text(encoding="utf-8")
        try:
            if _asked(f"{self.address}/api/v2/setup")["allowed"]:
                # The set-up wants a first bucket; it stays empty.
                body = {"username": "admin", "password": secrets.token_urlsafe(24), "org": ORG, "bucket": "setup"}
                _asked(f"{self.address}/api/v2/setup", {**body, "token": self.token})
        except OSError as error:
            raise LocalServerError("not_ready", f"InfluxDB cannot be set up: {error}") from error


@contextlib.contextmanager
def influx(directory: Path, tell: Callable[[str], None] = lambda _: None) -> Iterator[LocalInflux | ForeignInflux]:
    """Give the server of ``QINGYU_INFLUX`` once it is healthy, or a local one that lives as long as the block.

    Args:
        directory: of the local one; not touched when ``QINGYU_INFLUX`` is an address.
        tell: hears how far the building of influxd is, where that is needed.

    Raises:
        LocalServerError: as ``LocalInflux.start``; ``not_ready`` when the named server does not answer.
    """
    foreign = os.environ.get("QINGYU_INFLUX", "")
    if "://" in foreign:
        try:
            _asked(f"{foreign}/health")
        except (OSError, ValueError) as error:
            message = f"no InfluxDB answers at {foreign}: {error}; QINGYU_INFLUX names it: without it one is started"
            raise LocalServerError("not_ready", message) from error
        org, token = os.environ.get("QINGYU_INFLUX_ORG", ORG), os.environ.get("QINGYU_INFLUX_TOKEN", "")
        yield ForeignInflux(foreign, org, token)
    else:
        with LocalInflux.start(directory, tell=tell) as local:
            yield local


def _asked(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_ANSWER_LIMIT_S) as answer:
        return json.load(answer)
