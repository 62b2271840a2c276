"""Hearing is what a listener was told, held against what it should have been told: keys of transitions, as sets."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bench.telling.audience import Listener
from bench.telling.receivers import Receivers
from schemas.deliveries import DeliveryNote
from schemas.messages import encode


class Heard(NamedTuple):
    """How a listener's messages differ from what they should be; `missing` and `unexpected` are keys, `wrong` words."""

    figures: dict[str, Any]
    missing: list[str]
    unexpected: list[str]
    wrong: list[str]


def compare_heard(listener: Listener, should: set[str], receivers: Receivers, notes: Sequence[DeliveryNote]) -> Heard:
    """Compare what came to a listener with the keys that should have, and with the log of deliveries."""
    name = listener.name
    # A note whose acknowledgement was lost is written once more, byte for byte: who keeps them keeps one.
    delivered = list({encode(one): one for one in notes if one.outcome == "delivered"}.values())
    # What a digest holds is what is listed under its id.
    digests = dict(receivers.listed)
    digests |= {str(one.key): [f"{alarm}|{seq}" for alarm, seq in one.members] for one in delivered}
    recorded = Counter(
        f"{alarm}|{seq}" for one in delivered if str(one.recipient) == name for alarm, seq in one.members
    )
    messages = receivers.told[name]
    # A message that came again says nothing new.
    keys = [key for message in dict.fromkeys(messages) for key in digests.get(message, [message])]
    did = set(keys)
    wrong = [f"{name}: {one}" for one in _out_of_order(keys)]
    if not listener.robot:
        wrong += [f"{name}: {key} in two messages" for key, count in Counter(keys).items() if count > 1]
    wrong += [f"{name}: {key} recorded {n} times" for key, n in recorded.items() if n > 1]
    wrong += [f"{name}: {key} told and not recorded" for key in sorted(did - recorded.keys())]
    figures = {
        "should_be_told": len(should),
        "told": len(did),
        "messages": len(messages),
        "digests": sum(1 for one in set(messages) if one.startswith("digest|")),
        "repeats": len(messages) - len(set(messages)),
        # What a robot was told and a kill kept from being recorded may stand in a digest once more.
        "again_in_a_digest": len(keys) - len(did),
    }
    return Heard(figures, sorted(should - did), sorted(did - should), wrong)


def _out_of_order(keys: Iterable[str]) -> list[str]:
    last: dict[str, int] = {}
    found: list[str] = []
    for key in keys:
        alarm, _, number = key.partition("|")
        if int(number or 0) < last.get(alarm, 0):
            found.append(f"{key} after seq {last[alarm]}")
        last[alarm] = int(number or 0)
    return found
