"""Handling is what people do about alarms, as it stands in topic `alarm.handling`: by alarm, and by silence.

Each record is absolute: it says all that holds of its key, so that the newest one is enough; `seq` counts them up.
Instants are epoch ms on the clock that the numbers live on.
"""

from typing import Literal

import msgspec

Did = Literal["acknowledged", "assigned", "commented", "closed"]
Quieting = Literal["silence", "maintenance"]

SILENCE_KEY = "silence|"


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody did about an alarm, at `at`: `by` is his name as he says it, `key` the id of the key he showed.

    `id` tells it from all others, so that sent twice it counts once. `alarm_seq` is the alarm's own `seq` that he saw.
    An acknowledgement may end at `until`; an assignment says `to` whom; a comment has a `text`, the others may.
    """

    id: str
    what: Did
    at: int
    by: str
    key: str
    alarm_seq: int
    until: int | None = None
    to: str | None = None
    text: str | None = None


class Handling(msgspec.Struct, frozen=True, omit_defaults=True):
    """Topic `alarm.handling`, key: the alarm's id: what was done about the alarm, the first action first.

    `acknowledged` and `closed` are the actions that hold, `owner` is whom it was assigned to; `known` and `actor` are
    those of the last action.
    """

    v: int
    id: str
    rule: str
    entity: str
    seq: int
    known: int
    actor: str
    actions: list[Action]
    acknowledged: Action | None = None
    owner: str | None = None
    closed: Action | None = None


class Silence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Topic `alarm.handling`, key: `silence|ID`: alarms that nobody is told of from `start` until before `end`.

    It is about one `alarm`, or about an `entity` with all that lies in it, a `rule`, or both at once. `maintenance` is
    announced work: what is not right then is expected. `by`, `key` made it; `ended_by` ended it before its time.
    """

    v: int
    id: str
    kind: Quieting
    seq: int
    known: int
    actor: str
    start: int
    end: int
    reason: str
    by: str
    key: str
    made: int
    alarm: str | None = None
    entity: str | None = None
    rule: str | None = None
    ended_by: str | None = None


decode_handling = msgspec.json.Decoder(Handling).decode
decode_silence = msgspec.json.Decoder(Silence).decode
