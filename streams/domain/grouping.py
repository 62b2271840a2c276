"""A group is the events that one recipient is told together: alike in place, kind or rule, as the recipient says."""

from schemas.documents.grouping import Grouping
from schemas.ids import key_of
from schemas.messages import AlarmEvent
from streams.domain.registry import Snapshot

# No alarm's id begins so: an alarm that is told alone is a group of its own, named by its id.
GROUP_KEY = "~group"


def group_of(grouping: Grouping, event: AlarmEvent, snapshot: Snapshot) -> str:
    """Return the name of the group that an event belongs to.

    The place is where the entity lay when the event became known.
    """
    parts = {
        "place": lambda: _place(event, snapshot),
        "kind": lambda: event.entity.partition("/")[0],
        "rule": lambda: event.rule,
    }
    return key_of(GROUP_KEY, *(f"{name}={parts[name]()}" for name in sorted(grouping.by)))


def _place(event: AlarmEvent, snapshot: Snapshot) -> str:
    around = snapshot.within(event.entity, event.known)
    return next((one for one in around if one.startswith("county/")), event.entity)
