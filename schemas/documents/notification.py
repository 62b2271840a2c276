"""A notification (通知) is an alarm told to somebody: recipients have channels, routes say what goes to whom."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.documents.channel import ChannelName, Channels
from schemas.documents.envelope import Envelope, Strict
from schemas.documents.fields import EntityText, Id, fault
from schemas.documents.grouping import Grouping
from schemas.documents.indicator import EntityKind, Severity, check_ids
from schemas.documents.quiet import QuietHours, TimeOfDay

Language = Literal["zh", "en"]
Role = Literal["city", "county", "township", "enterprise", "department"]
AlarmCondition = Literal["pending", "firing", "recovering", "no_data", "error", "established", "ok", "withdrawn"]


def _not_empty(found: tuple[str, ...]) -> tuple[str, ...]:
    if not found:
        raise fault("missing", "an empty list would mean nobody and nothing: name one, or leave the field out")
    return found


NotEmpty = AfterValidator(_not_empty)


class RecipientSpec(Strict):
    """How the recipient is reached, and the language of what is written to people.

    An event goes out on every channel that does not stand in `fallback`; those are tried one after the other, in this
    order, where another one could not deliver. `failures_to` are other recipients who are told, beside this one's own
    other channels, when a channel of this one fails. `heartbeat` is a time of the local day at which each first channel
    gets a sign of life. `template` is the document that words are made by, where they are not to be the usual ones.
    `role` is what the recipient is to the territory. What comes in `quiet` hours waits until they are over. Events of
    one `group` are told together.
    """

    channels: Channels
    language: Language = "zh"
    role: Role | None = None
    fallback: tuple[ChannelName, ...] = ()
    failures_to: tuple[Id, ...] = ()
    heartbeat: TimeOfDay | None = None
    template: Id | None = None
    quiet: tuple[QuietHours, ...] = ()
    group: Grouping | None = None

    @model_validator(mode="after")
    def _has_a_first_channel(self) -> Self:
        for place, name in enumerate(self.fallback):
            if name not in self.channels.names:
                raise fault("missing", f"fallback names {name}, which is none of this recipient's channels")
            if name in self.fallback[:place]:
                raise fault("duplicate", f"fallback names {name} twice: keep one")
        if not self.first:
            raise fault("missing", "every channel stands in fallback: leave the one that is tried first out of it")
        return self

    @property
    def first(self) -> tuple[ChannelName, ...]:
        """The channels that an event goes out on, all of them."""
        return tuple(name for name in self.channels.names if name not in self.fallback)


class Recipient(Envelope):
    """Somebody who is told (接收人): a duty room, a person, another system."""

    kind: Literal["recipient"]
    spec: RecipientSpec


class Scope(Strict):
    """Which entities a route is about: of a kind, of some ids of that kind, within an entity (itself included)."""

    kind: EntityKind | None = None
    id: Annotated[tuple[str, ...], NotEmpty] | None = None
    in_: EntityText | None = Field(alias="in", default=None)

    @model_validator(mode="after")
    def _ids_fit_the_kind(self) -> Self:
        if self.kind is not None:
            check_ids(self.kind, self.id)
        elif self.id is not None:
            raise fault("missing", "ids are of a kind: write kind as well")
        return self


class RouteSpec(Strict):
    """Which events go to which recipients; what is left out restricts nothing.

    `rules` and `limits` together are the rules and limits that are meant. An event that ends an alarm follows the
    route whatever its severity, and goes only to those who were told of the alarm. `on_call` are rosters: who is on
    call is told as if `recipients` named him. `escalation` is the document that says who else is told of an alarm that
    nobody takes in hand.
    """

    select: Scope | None = None
    severity: Annotated[tuple[Severity, ...], NotEmpty] | None = None
    condition: Annotated[tuple[AlarmCondition, ...], NotEmpty] | None = None
    rules: tuple[Id, ...] = ()
    limits: tuple[Id, ...] = ()
    recipients: Annotated[tuple[Id, ...], NotEmpty] | None = None
    on_call: tuple[Id, ...] = ()
    escalation: Id | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.recipients is None and not self.on_call:
            raise fault("missing", "a route leads to somebody: write recipients, on_call (rosters), or both")
        return self


class Route(Envelope):
    """A route (路由): events of alarms on their way to recipients."""

    kind: Literal["route"]
    spec: RouteSpec
