"""Attention (关注) is what people did about alarms and what they silenced, asked of one alarm at one instant.

It holds what stands in topic `alarm.handling`, the newest of each key; what follows from that is said in `handling`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from schemas.handling import Handling, Silence
from schemas.messages import Condition
from streams.domain.handling import Seen, Stand, seen, stand


@dataclass(frozen=True, slots=True)
class Attention:
    """`handled` is by the alarm's id, `silences` by their own; both may be added to while it is asked."""

    handled: Mapping[str, Handling] = field(default_factory=dict[str, Handling])
    silences: Mapping[str, Silence] = field(default_factory=dict[str, Silence])

    def stand(self, alarm: Condition, at_ms: int) -> Stand:
        """Return where people are with an alarm at an instant [epoch ms]: by whom, until when, and whose it is.

        What is asked is what is known now, so at an instant that is past an action after it counts too.
        """
        return stand(self.handled.get(alarm.id), alarm, at_ms)

    def seen(self, alarm: Condition, places: Collection[str], at_ms: int, inhibited_by: str | None = None) -> Seen:
        """Return whether an alarm is shown at an instant [epoch ms], and which silence or alarm hides it.

        `places` are its entity and all that this lies in (`kind/id`); `inhibited_by` is the alarm that inhibits it.
        """
        return seen(alarm, places, self.silences.values(), at_ms, inhibited_by)
