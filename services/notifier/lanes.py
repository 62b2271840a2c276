"""Lanes are all ways to recipients: one for each recipient and channel, made when something is first said there.

They ask here for what may change while a delivery waits: who a recipient is, what things are called, which robot a
channel speaks through. What a channel's trouble is told as goes out by the lanes of others.
"""

from collections.abc import Callable, Iterable, Iterator

from schemas.documents import Recipient
from schemas.escalation import StepEvent
from schemas.ids import key_of
from schemas.messages import AlarmEvent
from schemas.reference.rates import rates
from schemas.settings import Settings
from services.clock import Clock
from services.notifier.channels import Channel, every_channel
from services.notifier.failures import OWN, Failures, heartbeat
from services.notifier.lane import Lane
from services.notifier.memory import Memory
from services.notifier.message import Message
from services.notifier.parcel import Item
from services.notifier.robot import Robot
from services.notifier.telling import Figures
from services.notifier.timer import RealTimer, Timer
from services.notifier.wording import Wording
from services.secrets import Secrets
from streams.domain.grouping import group_of
from streams.domain.routing import Routing


class Lanes:
    """All lanes; `routing` is set anew whenever the registry has changed."""

    def __init__(self, settings: Settings, clock: Clock, memory: Memory, figures: Figures, routing: Routing) -> None:
        self.routing = routing
        self._settings = settings
        self._clock = clock
        self._memory = memory
        self._figures = figures
        self._secrets = Secrets(settings.secrets)
        self._ways: dict[str, Channel] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._robots: dict[str, Robot] = {}
        # A delivery happens in real time, whatever clock the numbers live on.
        self.timer: Timer = RealTimer()
        self._board = (settings.public or settings.api).rstrip("/")
        self._failures = Failures()
        # Of each (recipient, channel) the last sign of life that was put into its lane by this process.
        self._beaten: dict[tuple[str, str], int] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def open(self) -> None:
        """Make the channels ready."""
        self._ways = every_channel(self._settings, self._secrets)

    async def stop(self) -> None:
        """Stop every lane at once."""
        for lane in self:
            await lane.stop()

    async def close(self) -> None:
        """Let go of the channels' connections."""
        for way in self._ways.values():
            await way.close()

    def lane(self, recipient: str, channel: str) -> Lane:
        """Return the lane to a recipient on a channel."""
        lane = self._lanes.get((recipient, channel))
        if lane is None:
            robot = self.robot(recipient, channel)
            lane = Lane(
                recipient, channel, self._ways, self._memory, self, self._figures, self._settings, self.timer, robot
            )
            self._lanes[recipient, channel] = lane
            lane.start()
        return lane

    # What lanes ask at each attempt.

    def recipient(self, id_: str) -> Recipient | None:
        """Return a recipient that is registered and valid now."""
        return self.routing.recipient(id_, self._clock.now_ms())

    def wording(self, message: Message) -> Wording:
        """Return the words for a message, with today's names."""
        digest = message.digest
        place = f"board/alarm/{message.events[0].id}" if digest is None else f"v1/digests/{digest}"
        return Wording(message, self.routing.snapshot, f"{self._board}/{place}")

    def robot(self, recipient: str, channel: str) -> Robot | None:
        """Return the robot that a recipient's channel speaks through; None where no rate is known of the channel."""
        found = self.recipient(recipient)
        robot = None if found is None else getattr(getattr(found.spec.channels, channel, None), "robot", None)
        if robot is None or channel not in rates().robots:
            return None
        name = key_of(channel, robot)
        if name not in self._robots:
            # A message that was under way when this was recorded may have been answered any time since.
            late_ms = int(self._settings.notify_timeout_s * 1000)
            now_ms = self.timer.now_ms()
            used_ms = [min(at_ms + late_ms, now_ms) for at_ms in self._memory.uses(name)]
            self._robots[name] = Robot(name, rates().robots[channel], used_ms)
        return self._robots[name]

    def failing(self, recipient: str, channel: str, message: Message, reason: str) -> None:
        """Tell whom it concerns that a channel does not take a message; not of what is itself about a channel."""
        if message.events[0].rule not in OWN:
            self._tell_of(recipient, channel, self._failures.begin(recipient, channel, reason, self.timer.now_ms()))

    def working(self, recipient: str, channel: str) -> None:
        """Tell whom it concerns that a channel works again."""
        self._tell_of(recipient, channel, self._failures.end(recipient, channel, self.timer.now_ms()))

    def beat(self) -> None:
        """Let the day's signs of life go out that are due and did not go out before."""
        for one in self.routing.recipients:
            recipient = self.recipient(one.id)
            event = None if recipient is None else heartbeat(recipient, self.timer.now_ms())
            if recipient is None or event is None:
                continue
            due = [(one.id, name) for name in recipient.spec.first if self._beaten.get((one.id, name)) != event.seq]
            self.put(event, due)
            self._beaten.update(dict.fromkeys(due, event.seq))

    def _tell_of(self, recipient: str, channel: str, event: AlarmEvent | None) -> None:
        if event is not None:
            now_ms = self._clock.now_ms()
            self.put(event, self._failures.targets(recipient, channel, self.routing, now_ms))

    def put(
        self, event: AlarmEvent, targets: Iterable[tuple[str, str]], done: Callable[[], None] | None = None
    ) -> None:
        """Let an event wait for its turn in the lane of each (recipient, channel); each calls `done` in the end.

        Where nothing waits for that, what is lost with the process is told anew by the next one.
        """
        for recipient, channel in list(targets):
            self.lane(recipient, channel).put(self._item(event, recipient, done or _nothing))

    def _item(self, event: AlarmEvent, id_: str, done: Callable[[], None]) -> Item:
        recipient, now_ms = self.recipient(id_), self.timer.now_ms()
        grouping = None if recipient is None else recipient.spec.group
        if grouping is None or event.rule in OWN or isinstance(event, StepEvent):
            return Item(event, done, now_ms)
        group = group_of(grouping, event, self.routing.snapshot)
        return Item(event, done, now_ms, group, grouping.interval_ms, grouping.wait_ms)

    # What others ask.

    @property
    def outstanding(self) -> int:
        """How many deliveries wait, in all."""
        return sum(lane.waiting for lane in self)

    def missing_secrets(self) -> dict[str, str]:
        """Return the secrets that cannot be resolved, each with what is wrong."""
        wanted = {secret for one in self.routing.recipients for secret in one.spec.channels.secrets}
        return self._secrets.missing({*wanted, self._settings.smtp_password} if self._settings.smtp_user else wanted)


def _nothing() -> None:
    return
