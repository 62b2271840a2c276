"""The town is the city of the kills with people who are told of its alarms, and with a way to break everything in it.

Every process reaches Kafka over a wire of its own (`bench.faults.wire`), a supervisor starts again whatever was killed,
and the series are in the embedded file, or in an InfluxDB behind a stand-in that can be slow or full.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from bench.faults.wire import Wire, Wires
from bench.kills.city import WORKERS, City
from bench.kills.comparing import Comparison, Topics
from bench.kills.expected import Calculation
from bench.kills.load import Cast, Reading
from bench.telling.audience import Listener, should_be_told, telling
from bench.telling.hearing import compare_heard
from bench.telling.house import environment as told_at
from bench.telling.receivers import UNSTEADY, Receivers
from deploy.local.influx import LocalInflux
from deploy.local.kafka import LocalKafka
from deploy.local.processes import TRY_AGAIN, Processes
from deploy.local.server import HOST
from schemas.deliveries import decode_note
from schemas.messages import Rejected, decode_rejected
from schemas.topics import DELIVERY_LOG, REJECTED
from tests.influx_between import Between, between
from tests.running import KILLED, read, until

SESSION_TIMEOUT_S = 2.0
CALM_LIMIT_S = 180.0
# One hears everything; the other one's receiver fails now and then, see `bench.telling.receivers`.
LISTENERS = (Listener("headquarters"), Listener(UNSTEADY.strip("/")))
ROLES = ("api", "gateway", "territory", "sink", "ticker", "notifier")
# They come and go in a rebalance storm.
GUESTS = ("worker-3", "worker-4")


class Town(City):
    """A city with a notifier, on servers of its own; `start` makes it, a context manager that leaves nothing.

    `refused` are the codes that the gateway must have refused readings with, `poison` the codes of what was written
    past it, by how many; `more` are readings that were taken beside the load.
    """

    restart_on = (TRY_AGAIN, KILLED)

    def __init__(self, directory: Path, cast: Cast, *, seed: int, rate_per_s: float, on_influx: bool) -> None:
        self._stack = ExitStack()
        try:
            self.wires = self._stack.enter_context(Wires())
            self.wire: dict[str, Wire] = {name: self.wires.lay() for name in (*ROLES, *WORKERS, *GUESTS)}
            doors = [each.port for each in self.wire.values()]
            self.kafka = self._stack.enter_context(LocalKafka.start(directory / "kafka", doors=doors))
            for each in self.wire.values():
                each.to = self.kafka.behind(each.port)
            self.influx: LocalInflux | None = None
            self.between: Between | None = None
            series: dict[str, Any] = {}
            if on_influx:
                self.influx = self._stack.enter_context(LocalInflux.start(directory / "influx"))
                self.between = self._stack.enter_context(between(self.influx.address))
                series = {
                    "store": "influx", "influx": self.between.address, "influx_org": self.influx.org,
                    "influx_token": SecretStr(self.influx.token), "raw_retention": "forever",
                }  # fmt: skip
            self.receivers = self._stack.enter_context(Receivers(seed))
            processes = self._stack.enter_context(Processes(directory / "logs", env=told_at(self.receivers)))
        except BaseException:
            self._stack.close()
            raise
        super().__init__(
            self.kafka.bootstrap, directory, processes, cast, prefix="town.", seed=seed, rate_per_s=rate_per_s,
            session_timeout_s=SESSION_TIMEOUT_S, series=series,
        )  # fmt: skip
        self.more: list[Reading] = []
        self.refused: set[str] = set()
        self.poison: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Give the town itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End its processes and servers."""
        self.store.close()
        self._stack.close()

    def roles(self) -> tuple[str, ...]:
        """Return what runs beside the workers."""
        return ROLES

    def documents(self) -> list[dict[str, Any]]:
        """Return what is registered at the start: those who are told as well."""
        return super().documents() + telling(LISTENERS, self.receivers.address)

    def environment(self, name: str) -> dict[str, str]:
        """Return what a process is told: its own way to Kafka, the series store."""
        settings = self.settings
        more = {"QINGYU_KAFKA": f"{HOST}:{self.wire[name].port}", "QINGYU_ACK_TIMEOUT_S": "3"}
        if self.influx is not None:
            more |= {
                "QINGYU_STORE": settings.store,
                "QINGYU_INFLUX": settings.influx,
                "QINGYU_INFLUX_ORG": settings.influx_org,
                "QINGYU_INFLUX_TOKEN": self.influx.token,
                "QINGYU_RAW_RETENTION": settings.raw_retention,
            }
            # The lists of the store are one file for both.
            if name in ("sink", "api"):
                more["QINGYU_DATA"] = str(settings.data)
        return super().environment(name) | more

    @property
    def token(self) -> str:
        """The operator's token."""
        assert self.settings.operator_token is not None
        return self.settings.operator_token.get_secret_value()

    def running(self) -> list[str]:
        """Return the processes that should run now."""
        return [name for name in self.processes.names() if name not in GUESTS]

    def settle(self) -> None:
        """Wait until all that was sent in has come out everywhere, and everybody was told."""
        super().settle()

        def calm() -> bool:
            ready, state = self.installation.ready("notifier")
            return ready and state["lag"] == 0 and state["outstanding"] == 0

        until(calm, CALM_LIMIT_S, "everybody is told", 0.2)

    def held_against(self, readings: list[Reading], topics: Topics) -> Comparison:
        """Compare all that stands and all that was said with what readings must have come to."""
        result = self.compare(Calculation(self.cast, readings), topics)
        self._telling(result, topics)
        self._rejects(result, [decode_rejected(each.value) for each in read(self.settings, REJECTED)])
        return result

    def _telling(self, result: Comparison, topics: Topics) -> None:
        notes = [decode_note(each.value) for each in read(self.settings, DELIVERY_LOG)]
        for listener, should in zip(LISTENERS, should_be_told(topics.events, LISTENERS).values(), strict=True):
            heard = compare_heard(listener, should, self.receivers, notes)
            result.count("transitions told", heard.figures["told"])
            result.count("tellings repeated under the same key", heard.figures["repeats"])
            for key in heard.missing:
                result.differs(f"{listener.name} was not told {key}", of="alarms")
            for key in heard.unexpected:
                result.differs(f"{listener.name} was told {key}", of="alarms", less=False)
            for each in heard.wrong:
                result.differs(each, of="alarms", less=False)

    def _rejects(self, result: Comparison, rejects: list[Rejected]) -> None:
        # What was written past the gateway is set aside once, by its place; a push may be repeated, with its refusals.
        found = Counter(each.code for each in rejects if "offset" in each.where)
        for code in sorted({*found, *self.poison}):
            result.equal(f"set aside as {code}", found[code], self.poison[code])
        pushed = {each.code for each in rejects if "offset" not in each.where}
        result.equal("refused by the gateway", pushed, self.refused)
        result.count("set aside", len(rejects))
