"""Messages are what processes say to each other in topics, as JSON. `v` is the version of a message's shape.

Decoding is strict: a missing or wrong field raises msgspec.ValidationError with the path of the fault; whatever the
bytes are, nothing but UNREADABLE is raised.
"""

from typing import Any

import msgspec

VERSION = 1

QUALITIES = ("ok", "suspect", "estimated", "substituted", "maintenance", "fault", "stopped")
QUALITY_CODE = {name: code for code, name in enumerate(QUALITIES)}

STATUSES = ("provisional", "settled", "revised")


class Correction(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who corrects readings (`by`), and why (`reason`), as the sender says it, and the second person, if one had to."""

    reason: str
    by: str
    confirmed_by: str | None = None


class Batch(msgspec.Struct, omit_defaults=True, gc=False):
    """The readings one source sent together, by column: reading n is of `meters[i[n]]`, at `t[n]` [epoch ms].

    `v[n]` is an integer at `scale[i[n]]` decimal places of the meter's unit, None for a void; `rev` and `q` (index
    into QUALITIES) are absent when all are 0; `received` is the gateway's stamp [epoch ms]; `correction` stands where
    the batch corrects what was sent before, so that every reading of it is a void or has a `rev` above 0.
    """

    batch: str
    source: str
    received: int
    meters: list[str]
    scale: list[int]
    i: list[int]
    t: list[int]
    v: list[int | None]
    rev: list[int] | None = None
    q: list[int] | None = None
    correction: Correction | None = None


class Readings(msgspec.Struct, omit_defaults=True, gc=False):
    """Topic `readings`: batches of one enterprise, or a tick (`tick` [epoch ms], then without enterprise)."""

    v: int
    registry: int
    enterprise: str | None = None
    batches: list[Batch] = []
    tick: int | None = None


class HeldEvent(msgspec.Struct, omit_defaults=True):
    """Topic `corrections`: what happened to a correction that a second person has to confirm; `id` is the correction's.

    `what` is `waiting` when it came, then `confirmed` or `rejected`, and `published` once its readings are in topic
    `readings`. `by` is the name, `key` the id of the key, of who did it, at `at` [epoch ms]. With `waiting` stand the
    batches, their enterprise and the version of the registry that they were checked against; `reason` says why.
    """

    v: int
    id: str
    what: str
    at: int
    by: str
    key: str
    reason: str | None = None
    enterprise: str | None = None
    registry: int | None = None
    batches: list[Batch] | None = None


class Reported(msgspec.Struct, omit_defaults=True):
    """Topic `reported`: a reported value (填报值) of an entity's metric for a window; the highest `rev` counts.

    `micro` is the value in the metric's own unit at 1e-6; `value` and `unit` are what the reporter wrote.
    """

    v: int
    registry: int
    entity: str
    metric: str
    period: str
    micro: int
    value: str
    unit: str
    rev: int
    reporter: str
    received: int


class Sold(msgspec.Struct, omit_defaults=True):
    """Topic `reported`: readings of an output meter of `seller`, passed on to `entity`, which is a counterparty of it.

    They are of the one meter that `batch` names; `received` [epoch ms] is by reading, absent when that of the batch
    holds for all.
    """

    v: int
    registry: int
    entity: str
    seller: str
    batch: Batch
    received: list[int] | None = None


class Own(msgspec.Struct, omit_defaults=True):
    """What a calendar document says of its own window (and a year's of its quarters): no sum of children gives it.

    `values` holds indicators (`ind.*`, integers at 1e-6 of the indicator's unit) and values reported for the window
    itself; None where an indicator has no value (its denominator is missing).
    """

    status: str
    values: dict[str, int | None] = {}


class CalendarDocument(msgspec.Struct, omit_defaults=True):
    """Topic `totals`: a day of its 24 hours, a month of its days, a year of its months, of one entity.

    `metrics[m][n]` is the absolute value of child n at 1e-6 of the metric's unit, None where nothing is known of it.
    `status[n]` is None while child n has not ended and nothing is known of it.
    `touched` are the children that this writing changed; `own` is by window name; `known` is, by child, the latest
    arrival [epoch ms] of a reading that stands in it; `input` the (partition, step) that it was made from.
    """

    v: int
    entity: str
    period: str
    of: str
    metrics: dict[str, list[int | None]]
    status: list[str | None]
    touched: list[int]
    registry: int
    release: str | None
    input: list[tuple[int, int]]
    own: dict[str, Own] = {}
    known: list[int | None] = []


class Condition(msgspec.Struct, omit_defaults=True):
    """Topic `alarm.conditions`: what an alarm (告警) of (rule, entity, start) is now. Figures are decimal text.

    `since` is when the condition began, `known` when that became known; `late` stands where it was raised after its
    period (of an episode: the window that raised it) had settled. `fired` is the begin of the window in which an
    alarm came to fire, `shown` that of the window whose value and tier stand here [all epoch ms]. `told` is the figure
    that was told last where `value` is another by now ("" for none); it is told with the day's end, cause `amended`.
    """

    v: int
    id: str
    rule: str
    rule_version: str
    entity: str
    start: str
    period: str
    condition: str
    tier: str | None
    severity: str
    value: str | None
    limit: str | None
    unit: str
    since: int
    known: int
    reason: str
    coverage: float | None
    seq: int
    fired: int | None = None
    shown: int | None = None
    late: bool = False
    told: str | None = None


class AlarmEvent(Condition, omit_defaults=True, kw_only=True):
    """Topic `alarm.events`: a transition of an alarm; `id|seq` is the idempotency key of all that is sent about it.

    `cause` is one of raised, tier, amended, pending, recovering, resumed, no_data, error, cleared, settled, reopened,
    corrected, unwatched. `mute` stands where numbers were computed again under another registry: nobody is told.
    """

    from_: str | None = msgspec.field(name="from")
    cause: str
    actor: str
    mute: bool = False


class CausingBatch(msgspec.Struct, omit_defaults=True):
    """A batch whose readings changed a settled window, with what its sender said of it where it was a correction."""

    source: str
    batch: str
    received: int
    correction: Correction | None = None


class CausingReport(msgspec.Struct, omit_defaults=True):
    """A reported value that changed a settled window."""

    metric: str
    period: str
    rev: int
    reporter: str
    received: int


class Cause(msgspec.Struct, omit_defaults=True):
    """Why a settled window changed: batches of readings, reported values, a registry version, changes of members.

    `members` are the enterprises of a territory whose own revisions tell more; `more` counts batches and members that
    are not named since there are too many.
    """

    batches: list[CausingBatch] = []
    reported: list[CausingReport] = []
    registry: int | None = None
    members: list[str] = []
    more: int = 0


class Revision(msgspec.Struct, omit_defaults=True):
    """Topic `revisions`: a settled window's number changed from `before` to `after` [1e-6 of the metric's unit].

    `window` is the kind of window and `start` its name; `known` [epoch ms] is when the cause arrived. `metric` is `*`,
    without values, where nothing at all had come of the window of an enterprise (and its meters) or a territory.
    """

    v: int
    entity: str
    metric: str
    window: str
    start: str
    before: int | None
    after: int | None
    known: int
    cause: Cause


class Finding(msgspec.Struct, omit_defaults=True):
    """Topic `findings`: a data-quality finding by (rule, meter, start); `open` turns false when later data heal it.

    `meter` is the entity, which is the enterprise where no one meter is meant. `effect` is `exclude` where the value
    does not count; `figures` are what a validation rule judged from, as decimal text.
    """

    v: int
    enterprise: str
    meter: str
    rule: str
    start: int
    end: int
    reason: str
    open: bool
    effect: str = "flag"
    figures: dict[str, str] = {}


class Rejected(msgspec.Struct, omit_defaults=True):
    """Topic `rejected`: an input that cannot be used, as it came (or its sha256 when too large), and why.

    `at` is the arrival [epoch ms]; `where` says the place: batch and index, or topic, partition and offset.
    """

    v: int
    code: str
    message: str
    at: int
    where: dict[str, Any]
    source: str = "-"
    input: Any = None


class Heartbeat(msgspec.Struct, omit_defaults=True):
    """Topic `engine`: what a process says of itself; times in epoch ms, `step_s` the mean seconds of a step."""

    v: int
    process: str
    version: str
    at: int
    watermark: int | None = None
    lag: int | None = None
    step_s: float | None = None
    counts: dict[str, int] = {}


class RegistryRecord(msgspec.Struct, omit_defaults=True):
    """Topics `registry` and `registry.log`: one version of a document, written in set number `version`."""

    v: int
    version: int
    document: dict[str, Any]
    at: int
    by: str
    why: str = ""


class RegistryCommit(msgspec.Struct, omit_defaults=True):
    """The commit marker that ends a set in topic `registry`, under the key COMMIT_KEY."""

    v: int
    version: int
    documents: int


COMMIT_KEY = b"~commit"

encode = msgspec.json.Encoder().encode
# What decoding raises: also where JSON is nested so deeply that reading it would never end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

decode_readings = msgspec.json.Decoder(Readings).decode
decode_reported = msgspec.json.Decoder(Reported).decode
decode_sold = msgspec.json.Decoder(Sold).decode
decode_calendar = msgspec.json.Decoder(CalendarDocument).decode
decode_condition = msgspec.json.Decoder(Condition).decode
decode_event = msgspec.json.Decoder(AlarmEvent).decode
decode_revision = msgspec.json.Decoder(Revision).decode
decode_finding = msgspec.json.Decoder(Finding).decode
decode_held = msgspec.json.Decoder(HeldEvent).decode
decode_rejected = msgspec.json.Decoder(Rejected).decode
decode_heartbeat = msgspec.json.Decoder(Heartbeat).decode
decode_registry = msgspec.json.Decoder(RegistryRecord).decode
decode_commit = msgspec.json.Decoder(RegistryCommit).decode
