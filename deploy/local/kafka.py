"""A local Kafka: one real Apache Kafka process on this machine, for demo, tests and benches.

From Python it is a context manager that ends with its process; from the command line it stays until it is stopped::

    python -m deploy.local.kafka start|stop|status [--dir D] [--port P]

``QINGYU_KAFKA=host:port`` names a broker that is there already; then nothing is started.
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import IO, NoReturn, Self

from deploy.local import jars, leash
from deploy.local.cache import LocalServerError
from deploy.local.coordinators import wait_until_ready
from deploy.local.server import HOST, LocalServer, free_ports, is_free

_COMMAND_PORT = 9092
# A start takes 4 s on two idle cores; a recovery after SIGKILL with hundreds of partitions on a busy machine a minute.
_READY_LIMIT_S = 120.0
_STOP_LIMIT_S = 30.0
_CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
_FILES = jars.POM.parent


@dataclass(frozen=True, slots=True)
class ForeignKafka:
    """A broker that somebody else runs, named by ``QINGYU_KAFKA``: it can be used, but not killed or paused."""

    bootstrap: str
    """Address clients connect to first, ``host:port``."""


class LocalKafka(LocalServer):
    """One broker with a data directory of its own; made by ``start``, left by ``stop`` or as a context manager."""

    def __init__(
        self, directory: Path, port: int, controller_port: int, *, leashed: bool, doors: Mapping[int, int]
    ) -> None:
        """Name a broker without starting it; ``start`` is what callers want."""
        super().__init__(directory)
        self._port = port
        self._controller_port = controller_port
        self._leashed = leashed
        self._doors = dict(doors)

    @classmethod
    def start(
        cls, directory: Path, *, port: int | None = None, leashed: bool = True, doors: Sequence[int] = ()
    ) -> Self:
        """Start a broker and wait until it is ready.

        Args:
            directory: its data, settings and ``broker.log``; made when missing, and what is there is kept.
            port: port of its clients; a free one when None, as the controller's always is.
            leashed: whether the broker ends with this process, where the system can do that.
            doors: ports of this machine that something else listens on and passes on to ``behind`` of each: who comes
                in there is told to come back there, so that its whole way to the broker can be broken.

        Raises:
            LocalServerError: ``java_missing``, ``maven_missing``, ``fetch_failed``, ``already_running``,
                ``port_taken``, ``broker_ended`` or ``not_ready``.
        """
        for _ in range(4):
            fresh = free_ports(2 + len(doors))
            ports = fresh[:2] if port is None else (port, fresh[1])
            if not all(is_free(number) for number in ports):
                break
            behind = dict(zip(doors, fresh[2:], strict=True))
            broker = cls(directory, ports[0], ports[1], leashed=leashed, doors=behind)
            try:
                broker._launch()
            except LocalServerError as error:
                # Somebody was quicker to take the port that was free a moment ago.
                if error.code != "port_taken":
                    raise
            else:
                return broker
        raise LocalServerError("port_taken", f"port {port or 'for the broker'} is in use; name another one")

    @property
    def bootstrap(self) -> str:
        """Address clients connect to first, ``host:port``; the same after ``restart``."""
        return f"{HOST}:{self._port}"

    def behind(self, door: int) -> int:
        """Port of the broker that a door leads to."""
        return self._doors[door]

    @property
    def log(self) -> Path:
        """File of what the broker writes: warnings and errors."""
        return self._directory / "broker.log"

    def _listeners(self) -> dict[str, str]:
        names = {f"DOOR{door}": (door, port) for door, port in self._doors.items()}
        return {
            "doors": "".join(f",{name}://{HOST}:{port}" for name, (_, port) in names.items()),
            "advertised_doors": "".join(f",{name}://{HOST}:{door}" for name, (door, _) in names.items()),
            "doors_map": "".join(f",{name}:PLAINTEXT" for name in names),
        }

    def _launch(self) -> None:
        libraries = jars.fetch()
        command = [jars.java(), "-XX:+UseSerialGC", "-cp", f"{libraries}/*"]
        self._directory.mkdir(parents=True, exist_ok=True)
        properties = self._directory / "server.properties"
        data = self._directory / "data"
        with _lock_file(self._directory).open("a+") as lock:
            # The broker inherits the locked file and so holds the lock for exactly as long as it lives.
            if not _lock(lock):
                raise LocalServerError("already_running", f"a broker is already running in {self._directory}")
            lock.truncate(0)
            template = Template((_FILES / "server.properties").read_text(encoding="utf-8"))
            ports = {"port": self._port, "controller_port": self._controller_port}
            filled = template.substitute(host=HOST, data=data, **ports, **self._listeners())
            properties.write_text(filled, encoding="utf-8")
            if not (data / "meta.properties").exists():
                _format(command, properties, self.log)
            log_start = self.log.stat().st_size if self.log.exists() else 0
            logging = f"-Dlog4j2.configurationFile={_FILES / 'log4j2.properties'}"
            self._process = leash.spawn(
                [*command, "-Xms128m", "-Xmx512m", logging, "kafka.Kafka", str(properties)],
                log=self.log,
                pass_fds=(lock.fileno(),),
                leashed=self._leashed,
            )
            json.dump({"pid": self._process.pid, "bootstrap": self.bootstrap}, lock)
        try:
            wait_until_ready(self.bootstrap, limit_s=_READY_LIMIT_S, alive=self.is_alive)
        except BaseException as error:
            # Also on Ctrl-C: nobody else knows of a broker that did not become ready.
            leash.kill(self._process)
            if not isinstance(error, LocalServerError):
                raise
            said = self.log.read_bytes()[log_start:].decode(errors="replace")
            code = "port_taken" if "BindException" in said else error.code
            last = "\n".join(said.splitlines()[-5:])
            raise LocalServerError(code, f"{error}; the end of {self.log}:\n{last}") from error


@contextlib.contextmanager
def broker(directory: Path) -> Iterator[LocalKafka | ForeignKafka]:
    """Give the broker of ``QINGYU_KAFKA`` once it is ready, or a local one that lives as long as the block.

    Args:
        directory: of the local one; not touched when ``QINGYU_KAFKA`` is set.

    Raises:
        LocalServerError: as ``LocalKafka.start``; ``not_ready`` when the named broker does not answer.
    """
    foreign = os.environ.get("QINGYU_KAFKA")
    if foreign:
        try:
            wait_until_ready(foreign, limit_s=_READY_LIMIT_S)
        except LocalServerError as error:
            message = f"{error}; QINGYU_KAFKA names it: without that setting a broker is started here"
            raise LocalServerError(error.code, message) from error
        yield ForeignKafka(foreign)
    else:
        with LocalKafka.start(directory) as local:
            yield local


def running(directory: Path) -> dict[str, object] | None:
    """What runs in a directory, ``pid`` and ``bootstrap``; empty while it is being started, None when nothing runs."""
    try:
        with _lock_file(directory).open("r+") as lock:
            if _lock(lock):
                return None
            text = lock.read()
    except FileNotFoundError:
        return None
    return json.loads(text) if text else {}


def stop(directory: Path) -> bool:
    """Stop the broker that runs in a directory, whoever started it; False when none runs.

    Raises:
        LocalServerError: ``not_ready`` when it is just being started or does not end.
    """
    found = running(directory)
    if found is None:
        return False
    if "pid" not in found:
        raise LocalServerError("not_ready", f"the broker in {directory} is just being started; repeat in some seconds")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(str(found["pid"])), number)
        deadline_s = time.monotonic() + _STOP_LIMIT_S
        while time.monotonic() < deadline_s:
            if running(directory) is None:
                return True
            time.sleep(0.05)
    raise LocalServerError("not_ready", f"the broker with process id {found['pid']} does not end, not even by SIGKILL")


def _format(command: list[str], properties: Path, log: Path) -> None:
    tool = [*command, "-Xmx128m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
    tool += ["-t", _CLUSTER_ID, "-c", str(properties)]
    with log.open("ab") as file:
        done = subprocess.run(
            tool, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=_READY_LIMIT_S, check=False
        )
    if done.returncode != 0:
        raise LocalServerError("broker_ended", f"the data directory cannot be made, see {log}")


def _lock_file(directory: Path) -> Path:
    return directory / "broker.lock"


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; usage: {self.prog} start|stop|status [--dir D] [--port P]\n")


def _parser() -> argparse.ArgumentParser:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    parser = _OneLineParser(prog="python -m deploy.local.kafka", description="Start and stop a local Apache Kafka.")
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("--dir", type=Path, default=state / "qingyu" / "kafka", help="its data and log (%(default)s)")
    parser.add_argument("--port", type=_port, default=_COMMAND_PORT, help="port of its clients (%(default)s)")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port between 1 and 65535")
    return int(text)


def main(arguments: list[str]) -> int:
    """Run the command; exit status 0 done or running, 1 failed or not running, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        return {"start": _start, "stop": _stop, "status": _status}[options.action](options)
    except LocalServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _start(options: argparse.Namespace) -> int:
    foreign = os.environ.get("QINGYU_KAFKA")
    found = running(options.dir)
    if foreign:
        wait_until_ready(foreign, limit_s=_READY_LIMIT_S)
        print(f"{foreign} (named by QINGYU_KAFKA; nothing started)")
    elif found:
        print(f"{found['bootstrap']} (was running)")
    else:
        print(LocalKafka.start(options.dir, port=options.port, leashed=False).bootstrap)
    return 0


def _stop(options: argparse.Namespace) -> int:
    print("stopped" if stop(options.dir) else f"no broker runs in {options.dir}")
    return 0


def _status(options: argparse.Namespace) -> int:
    found = running(options.dir)
    if not found:
        print(f"no broker runs in {options.dir}")
        return 1
    wait_until_ready(str(found["bootstrap"]), limit_s=10.0)
    print(f"{found['bootstrap']} process {found['pid']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
