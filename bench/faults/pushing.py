"""Pushing is what goes in beside the load: what nobody can read, what came before, and what a wrong clock stamped."""

import json
import random
import time
from decimal import Decimal
from typing import Any

import httpx

from bench.faults.town import Town
from bench.kills.load import QUARTER_MS, Batch, Reading
from bench.kills.sending import ANSWER_S, push
from schemas.partitioner import partition_of_key
from tests.running import send_to

_AGAIN = 30
_STAMPS = 6
HOUR_MS = 4 * QUARTER_MS


def poison(town: Town, chance: random.Random) -> None:
    """Write to the workers' topic what the gateway never would."""
    mark = f"{chance.getrandbits(64):016x}"
    enterprise = chance.choice(town.cast.all)
    messages = {
        "not_json": f"\x00 {mark}".encode(),
        "unknown_version": json.dumps({"v": 99, "mark": mark}).encode(),
        "bad_message": json.dumps([mark]).encode(),
        "registry_ahead": json.dumps({"v": 1, "enterprise": enterprise, "registry": 10**9, "batches": []}).encode(),
    }
    place = partition_of_key(enterprise, town.settings.partitions)
    send_to(town.settings, place, messages.values(), key=enterprise.encode())
    town.poison.update(messages.keys())


def again(town: Town, chance: random.Random) -> None:
    """Push batches of the load once more, in any order, some of them several times."""
    sent = town.sending.sent()
    chosen = chance.choices(sent, k=min(_AGAIN, len(sent)))
    for batch in chosen:
        _push(town, batch, batch.body())


def skewed(town: Town, chance: random.Random) -> None:
    """Push readings of sources whose clocks are wrong: far ahead is refused, behind and a little ahead is taken."""
    now_ms = time.time_ns() // 1_000_000
    enterprise = chance.choice(town.cast.wild)
    taken = {each.t_ms for each in town.more if each.enterprise == enterprise}
    behind = chance.randrange(24, 24 * 90) * HOUR_MS
    # Never an instant of the load, nor one that was sent before with another value.
    first = (now_ms - behind) // QUARTER_MS * QUARTER_MS
    stamps = [at for at in range(first, first + _STAMPS * QUARTER_MS, QUARTER_MS) if at not in taken]
    ahead = (now_ms + chance.randrange(2, 1000) * HOUR_MS) // QUARTER_MS * QUARTER_MS
    stamps += [at for at in [now_ms // QUARTER_MS * QUARTER_MS] if at not in taken and at not in stamps]
    name = f"skewed-{chance.getrandbits(64):016x}"
    good = [Reading(enterprise, "e01", at, Decimal(chance.randrange(1000, 2000)).scaleb(-2)) for at in stamps]
    bad = [Reading(enterprise, "e01", ahead + place * QUARTER_MS, Decimal(7)) for place in range(_STAMPS)]
    batch = Batch(enterprise, name, (*good, *bad))
    town.refused.add("future")
    refused = {len(good) + place: "future" for place in range(_STAMPS)}
    _push(town, batch, {**batch.body(), "sent": ahead}, refused)
    town.more += good


def _push(town: Town, batch: Batch, body: dict[str, Any], refused: dict[int, str] | None = None) -> None:
    address = f"http://127.0.0.1:{town.installation.ports['gateway']}"
    headers = {"Authorization": f"Bearer {town.token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=ANSWER_S) as http:
        push(http, batch, body, refused)
