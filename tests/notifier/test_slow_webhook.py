"""A webhook that answers nobody for an hour, on a clock that the test moves: nothing is lost, nobody else waits."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from schemas.documents import Recipient, parse_document
from services.notifier.channels import Channel
from services.notifier.lane import Lane
from services.notifier.parcel import Item
from services.notifier.telling import Figures
from services.notifier.webhook import WebhookChannel
from services.secrets import Secrets
from tests.notifier.conftest import SECRETS, Behaviour, Receiver, document, event, key_of_event
from tests.notifier.storming import CHANNEL, MINUTE_MS, Around, HandTimer, Shelf, settings_for

HOUR_MS = 60 * MINUTE_MS


def recipient(receiver: Receiver, name: str) -> Recipient:
    channels = {CHANNEL: {"url": f"{receiver.address}/{name}", "secret": "secret:hook"}}
    found = parse_document(document("recipient", name, {"channels": channels}))
    assert isinstance(found, Recipient)
    return found


def test_a_webhook_that_is_slow_for_an_hour_gets_everything_afterwards(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    settings = settings_for(tmp_path).model_copy(update={"notify_private": "127.0.0.1", "notify_retry_s": 10.0})
    receiver.usual["/slow"] = Behaviour(hang=True)
    events = [event("works", start=f"2026-{month:02}") for month in range(1, 7)]
    keys = {key_of_event(one) for one in events}

    async def story() -> Counter[str]:
        timer, shelf, done = HandTimer(), Shelf(), Counter[str]()
        secrets = Secrets(settings.secrets)
        # Whoever hangs is waited for in real time: not for long. Who answers may take its time.
        hasty = WebhookChannel(settings.model_copy(update={"notify_timeout_s": 0.05}), secrets)
        patient = WebhookChannel(settings.model_copy(update={"notify_timeout_s": 120.0}), secrets)
        ways: dict[str, dict[str, Channel]] = {"slow": {CHANNEL: hasty}, "quick": {CHANNEL: patient}}
        around = Around({name: recipient(receiver, name) for name in ("slow", "quick")})
        memory, figures = shelf.restored(settings), Figures(lambda: 0)
        slow, quick = (
            Lane(name, CHANNEL, ways[name], memory, around, figures, settings, timer) for name in around.recipients
        )
        for lane in (slow, quick):
            lane.start()
            for one in events:
                lane.put(Item(one, lambda name=lane.recipient: done.update([name]), timer.now_ms()))
        await timer.settle(2)
        assert set(receiver.keys("quick")) == keys, "nobody else waits"
        end_ms = timer.at_ms + HOUR_MS
        while timer.at_ms < end_ms:
            due_ms = [at for at in timer.waiting.values() if at is not None]
            await timer.move(min([*due_ms, end_ms]))
            await timer.settle(2)
        assert done == {"quick": len(events)}
        assert slow.trouble == "no answer within 0.05 s"
        assert len(receiver.keys("slow")) < 15 * len(events), "it is asked ever less often"
        receiver.usual.pop("/slow")
        ways["slow"][CHANNEL] = patient
        while slow.waiting:
            await timer.move(min(at for at in timer.waiting.values() if at is not None))
            await timer.settle(2)
        for lane in (slow, quick):
            await lane.stop()
        for way in (hasty, patient):
            await way.close()
        return done

    assert asyncio.run(story()) == {"slow": len(events), "quick": len(events)}
    assert set(receiver.keys("slow")) == keys
