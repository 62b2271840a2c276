"""The stack is all of Qingyu on this machine for as long as a demo lasts: the broker, the topics and every process."""

import contextlib
import datetime as dt
import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.influx import influx
from deploy.local.kafka import broker
from deploy.local.processes import TRY_AGAIN, Processes
from schemas.settings import Settings
from services.simulator.postbox import Postbox
from services.simulator.waiting import wait_until
from services.topics import apply_topics

# In the order of their start.
ROLES = ("api", "gateway", "worker", "territory", "sink", "ticker", "notifier")
READY_LIMIT_S = 90.0
COMMAND_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
TICK_S = 1.0
# What people may expect a postbox at.
POSTBOX_PORT = 8025
INFLUX = "influx"
STORES = ("embedded", INFLUX)
_LOG_LINES = 8
_POSTBOX = "postbox"


class StackError(Exception):
    """The stack cannot be started; the message says which part, why, and where its log is."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a process said last: `state` is `ready`, `not ready`, `away` or `ended`."""

    name: str
    state: str
    restarts: int


@dataclass(slots=True)
class Stack:
    """A running stack; `settings` are those that its processes have."""

    settings: Settings
    token: str
    processes: Processes
    ports: dict[str, int]
    environment: dict[str, str] = field(default_factory=dict)
    postbox: Postbox | None = None

    @property
    def api(self) -> str:
        """Address of the api."""
        return self.settings.api

    @property
    def gateway(self) -> str:
        """Address of the gateway."""
        return self.settings.gateway

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs."""
        return self.processes.log(ROLES[0]).parent

    def start(self, *roles: str) -> None:
        """Start processes with `qingyu serve`."""
        for role in roles:
            own = {"QINGYU_METRICS_PORT": str(self.ports[role])}
            self.processes.start(role, [_program(), "serve", role], env=own)

    def wait_ready(self, *roles: str) -> None:
        """Return when processes are ready; raise StackError when one has ended or takes too long."""
        for role in roles:
            if not wait_until(lambda role=role: self.health(role).state in ("ready", "ended"), READY_LIMIT_S):
                raise StackError(self._complaint(role, f"is not ready after {READY_LIMIT_S:.0f} s"))
            if self.health(role).state == "ended":
                raise StackError(self._complaint(role, f"ended with status {self.processes.endings(role)[-1]}"))

    def command(self, *arguments: str) -> str:
        """Run the `qingyu` command against this stack and return what it said; raise StackError when it failed."""
        try:
            done = subprocess.run(
                [_program(), *arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = f"qingyu {' '.join(arguments)} was not done after {COMMAND_LIMIT_S:g} s"
            raise StackError(f"{said}: is the machine too busy?") from error
        if done.returncode != 0:
            raise StackError(f"qingyu {' '.join(arguments)} failed:\n{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def health(self, role: str) -> Health:
        """Ask a process how it is."""
        restarts = self.processes.restarts(role)
        if not self.processes.alive(role):
            endings = self.processes.endings(role)
            coming_back = bool(endings) and endings[-1] == TRY_AGAIN
            return Health(role, "away" if coming_back else "ended", restarts)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[role]}/readyz", timeout=2.0) as answer:
                ready = json.load(answer).get("status") == "ready"
        except urllib.error.HTTPError as error:
            error.close()
            return Health(role, "not ready", restarts)
        except (OSError, ValueError):
            return Health(role, "away", restarts)
        return Health(role, "ready" if ready else "not ready", restarts)

    def healths(self) -> list[Health]:
        """Ask all processes that were started how they are."""
        return [self.health(role) for role in self.processes.names()]

    def _complaint(self, role: str, what: str) -> str:
        log = self.processes.log(role)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
        return f"{role} {what}; the end of its log {log}:\n" + "\n".join(lines)


@contextlib.contextmanager
def running_stack(
    folder: Path, start_ms: int, rate: float, tell: Callable[[str], None], store: str = STORES[0]
) -> Iterator[Stack]:
    """Start broker, store and topics in a folder, with a clock from `start_ms` [epoch ms] at `rate` [times real].

    `store` is one of STORES. The stack starts processes; nothing that was started outlives the block. `tell` hears what
    is being started. Raises StackError or, from the servers, LocalServerError.
    """
    prefix = f"demo-{secrets.token_hex(3)}."
    named = os.environ.get("QINGYU_KAFKA")
    tell(f"Kafka at {named}, as QINGYU_KAFKA says" if named else "Kafka")
    secret = secrets.token_urlsafe(24)
    with contextlib.ExitStack() as servers:
        kafka = servers.enter_context(broker(folder / "kafka"))
        series = servers.enter_context(_store(store, folder, prefix, tell))
        # Chosen last: until a process has its port, somebody else may take it.
        ports = _ports()
        postbox = servers.enter_context(Postbox(http_port=ports.pop(_POSTBOX), secret=secret))
        # Short enough for an address with it to fit a line.
        token = secrets.token_urlsafe(16)
        now = dt.datetime.now(dt.UTC)
        start = dt.datetime.fromtimestamp(start_ms / 1000, dt.UTC)
        environment = {
            "QINGYU_KAFKA": kafka.bootstrap,
            "QINGYU_TOPIC_PREFIX": prefix,
            **series,
            "QINGYU_DATA": str(folder / "data"),
            "QINGYU_CLOCK": f"{start.isoformat()}@{rate:g}@{now.isoformat()}",
            "QINGYU_TICK_S": str(TICK_S),
            "QINGYU_OPERATOR_TOKEN": token,
            "QINGYU_TOKEN": token,
            "QINGYU_SMTP_HOST": "127.0.0.1",
            "QINGYU_SMTP_PORT": str(postbox.smtp_port),
            "QINGYU_SMTP_TLS": "none",
            "QINGYU_SECRET_POSTBOX": secret,
            "QINGYU_NOTIFY_PRIVATE": "127.0.0.1",
            # The month that is played at once is no news.
            "QINGYU_NOTIFY_BACKLOG_S": "0",
            "QINGYU_PUBLIC": f"http://127.0.0.1:{ports['api']}",
            "QINGYU_API_PORT": str(ports["api"]),
            "QINGYU_GATEWAY_PORT": str(ports["gateway"]),
            "QINGYU_API": f"http://127.0.0.1:{ports['api']}",
            "QINGYU_GATEWAY": f"http://127.0.0.1:{ports['gateway']}",
        }
        (folder / "data").mkdir(parents=True, exist_ok=True)
        settings = Settings.model_validate({name.removeprefix("QINGYU_").lower(): v for name, v in environment.items()})
        tell("topics")
        apply_topics(settings)
        processes = Processes(folder / "logs", env=environment)
        try:
            stack = Stack(settings, token, processes, ports, environment, postbox)
            yield stack
        finally:
            processes.stop_all(grace_s=STOP_LIMIT_S)


@contextlib.contextmanager
def _store(store: str, folder: Path, prefix: str, tell: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Give the settings of the series store, with its server where it has one."""
    if store != INFLUX:
        yield {"QINGYU_STORE": ""}
        return
    named = os.environ.get("QINGYU_INFLUX", "")
    tell(f"InfluxDB at {named}, as QINGYU_INFLUX says" if "://" in named else "InfluxDB")
    with influx(folder / "influx", tell) as server:
        yield {
            "QINGYU_STORE": INFLUX,
            "QINGYU_INFLUX": server.address,
            "QINGYU_INFLUX_ORG": server.org,
            "QINGYU_INFLUX_TOKEN": server.token,
            # Of its own, so that a server that is there already may hold what else it likes.
            "QINGYU_INFLUX_PREFIX": prefix,
            # The demo's readings are of 2018.
            "QINGYU_RAW_RETENTION": "forever",
        }


def _program() -> str:
    # The script that the package installs, of the very environment that runs this.
    return str(Path(sys.executable).with_name("qingyu"))


def _ports() -> dict[str, int]:
    """Return a port for each process and the postbox: those that people expect where they are free."""
    wanted = {"api": Settings().api_port, "gateway": Settings().gateway_port, _POSTBOX: POSTBOX_PORT}
    ports: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        for role in (*ROLES, _POSTBOX):
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted.get(role, 0)))
            except OSError:
                probe.bind(("127.0.0.1", 0))
            ports[role] = probe.getsockname()[1]
    return ports
