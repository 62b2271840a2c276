"""The notifier on real servers: what is said arrives, whatever the other side does, and is not said again."""

import email.utils
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.deliveries import READ_KEY, decode_delivery_read
from schemas.topics import ALARM_EVENTS, DELIVERY
from services.simulator.mail_server import MailServer
from tests.notifier.conftest import (
    SECRET,
    SECRETS,
    Behaviour,
    House,
    Mailbox,
    Receiver,
    RunningNotifier,
    body_of,
    document,
    event,
    hook,
    key_of_event,
    mailed,
    now_ms,
    records,
    say,
    settings_of,
    start_house,
    until,
)
from tests.notifier.robots import KEY, TOKEN, Robots
from tests.running import read
from tests.sink.conftest import send

HOUR_MS = 3_600_000
PHONE = "+8613800000000"
PLAIN = (
    "works",
    "order",
    "slow",
    "hung",
    "flaky",
    "gone",
    "moved",
    "limited",
    "poison",
    "ended",
    "early",
    "late",
    "bad",
    "hopeless",
    "rerouted",
)


@pytest.fixture(scope="module")
def house(
    kafka: LocalKafka | ForeignKafka, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One installation for the module; each test has an enterprise, a recipient and a route of its own."""
    folder = tmp_path_factory.mktemp("secrets")
    mailbox = Mailbox()
    documents = [one for name in PLAIN for one in hook(receiver, name)]
    documents += hook(receiver, "secretive", "secret:later")
    documents += mailed("chinese", "zh", "duty@city.example") + mailed("english", "en", "manager@works.example")
    documents += mailed("unknown", "en", "nobody@works.example") + mailed("down", "en", "down@works.example")
    documents += [document("enterprise", "lonely", {}), *chained(receiver)]
    documents += [*spoken("chatty", {"dingtalk": {"robot": "secret:robot", "secret": "secret:robot-key"}}),
                  *spoken("texted", {"sms": {"gateway": "operator", "phone": "secret:phone"}})]  # fmt: skip
    documents.append(
        document("sms", "operator", {"url": f"{receiver.address}/operator", "form": {"to": "{{ phone }}"}})
    )
    for name, value in (("robot", TOKEN), ("robot-key", KEY), ("phone", PHONE)):
        (folder / name).write_text(value, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, MailServer(mailbox) as server, Robots() as robots:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        settings = settings_of(kafka, server.port, folder, dingtalk_api=robots.address)
        found = start_house(settings, receiver, mailbox, server, documents)
        # Before the very first start: one event of two hours ago, one of ten minutes ago.
        say(settings, event("early", known=now_ms() - 2 * HOUR_MS), event("late", known=now_ms() - HOUR_MS // 6))
        found.running.start()
        found.robots = robots
        yield found
        found.running.stop()


def chained(receiver: Receiver) -> list[dict[str, Any]]:
    """Return a recipient whose webhook is followed by a mailbox, then an SMS gateway; another hears of its failures."""
    sms = {"url": f"{receiver.address}/sms", "form": {"to": "{{ phone }}", "text": "{{ title }}"}}
    channels = {
        "webhook": {"url": f"{receiver.address}/chained", "secret": "secret:hook"},
        "mail": {"address": "nobody-chained@city.example"},
        "sms": {"gateway": "provider", "phone": "secret:hook"},
    }
    spec = {"channels": channels, "fallback": ["mail", "sms"], "failures_to": ["keeper"]}
    keeper = {"channels": {"mail": {"address": "keeper@city.example"}}, "language": "en"}
    return [
        document("enterprise", "chained", {}),
        document("sms", "provider", sms),
        document("recipient", "chained", spec, name={"en": "Duty room"}),
        document("recipient", "keeper", keeper),
        document("route", "chained", {"select": {"kind": "enterprise", "id": ["chained"]}, "recipients": ["chained"]}),
    ]


def spoken(name: str, channels: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an enterprise, a recipient with channels, and the route between them, all of one name."""
    return [
        document("enterprise", name, {}),
        document("recipient", name, {"channels": channels}),
        document("route", name, {"select": {"kind": "enterprise", "id": [name]}, "recipients": [name]}),
    ]


def test_an_alarm_is_said_by_a_robot_in_its_group(house: House) -> None:
    house.say(event("chatty"), event("chatty", 2, "ok"))
    until(lambda: house.robots is not None and len(house.robots.said) >= 2, "two messages in the group")

    assert house.robots is not None
    first, second = house.robots.said
    assert "严重告警：chatty" in first
    assert first.rstrip().endswith(key_of_event(event("chatty")))
    assert "告警解除：chatty" in second
    assert house.outcome("chatty", "delivered").channel == "dingtalk"


def test_an_alarm_is_sent_to_a_telephone(house: House) -> None:
    house.say(event("texted"))
    (call,) = house.calls("operator", 1)

    assert parse_qs(call.body.decode()) == {"to": [PHONE]}
    recorded = house.outcome("texted", "delivered")
    assert (recorded.channel, recorded.key) == ("sms", key_of_event(event("texted")))
    assert PHONE not in recorded.reason


def test_a_webhook_carries_the_event_signed_as_the_page_says(house: House) -> None:
    said = event("works")
    house.say(said)
    (call,) = house.calls("works", 1)

    timestamp, signature = call.headers["qingyu-timestamp"], call.headers["qingyu-signature"]
    digest = hmac.new(SECRET.encode(), timestamp.encode() + b"." + call.body, hashlib.sha256).hexdigest()
    assert signature == f"v1={digest}"
    assert abs(int(timestamp) - time.time()) < 60
    assert call.key == key_of_event(said)
    assert call.headers["content-type"] == "application/json; charset=utf-8"
    body = body_of(call)
    assert (body["v"], body["type"], body["key"], body["recipient"]) == (1, "alarm.event", call.key, "works")
    assert body["title"]["zh"] == "严重告警：企业works 粗钢单位产品能耗 97.235 kgce/t（限值 94 kgce/t）"
    assert body["title"]["en"] == "Critical: Works works, Energy per tonne of steel 97.235 kgce/t (limit 94 kgce/t)"
    assert body["links"] == {
        "alarm": f"https://board.city.example/v1/alarms/{said.id}",
        "board": f"https://board.city.example/board/alarm/{said.id}",
    }
    assert (body["event"]["id"], body["event"]["seq"], body["event"]["from"]) == (said.id, 1, None)
    recorded = house.outcome("works", "delivered")
    assert (recorded.key, recorded.channel, recorded.told, recorded.attempts) == (call.key, "webhook", "firing", 1)


@pytest.mark.parametrize(
    ("name", "address", "subject", "word"),
    [
        (
            "chinese",
            "duty@city.example",
            "[晴雨] 严重告警：企业chinese 粗钢单位产品能耗 97.235 kgce/t（限值 94 kgce/t）",
            "限值",
        ),
        (
            "english",
            "manager@works.example",
            "[Qingyu] Critical: Works english, Energy per tonne of steel 97.235 kgce/t (limit 94 kgce/t)",
            "Limit",
        ),
    ],
)
def test_a_mail_speaks_its_recipients_language(house: House, name: str, address: str, subject: str, word: str) -> None:
    said = event(name)
    house.say(said)
    (mail,) = house.mails(address)

    assert mail["Subject"] == subject
    assert mail["Idempotency-Key"] == key_of_event(said)
    assert mail["Message-ID"].endswith("@city.example>")
    assert email.utils.parseaddr(str(mail["From"])) == ("晴雨 Qingyu", "qingyu@city.example")
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content()):
        assert word in part
        assert "97.235 kgce/t" in part
        assert key_of_event(said) in part


def test_the_transitions_of_an_alarm_arrive_in_order_and_the_end_says_that_it_ended(house: House) -> None:
    house.say(event("order"), event("order", 2, "ok"), event("order", 3), event("order", 4, "withdrawn"))
    calls = house.calls("order", 4)

    assert [body_of(call)["event"]["seq"] for call in calls] == [1, 2, 3, 4]
    assert body_of(calls[1])["title"]["zh"].startswith("告警解除：")
    assert body_of(calls[3])["title"]["en"].startswith("Withdrawn: ")


def test_a_webhook_that_hangs_delays_nobody_else(house: House) -> None:
    house.receiver.usual["/hung"] = Behaviour(hang=True)
    house.say(*(event("hung", start=f"2026-{month:02}") for month in range(1, 4)))
    house.calls("hung", 1)
    began_s = time.monotonic()
    house.say(event("slow"))

    assert house.calls("slow", 1)[0].at_s - began_s < house.settings.notify_timeout_s
    again = house.calls("hung", 2)
    assert house.running.state()[1]["trouble"]["hung|webhook"] == "no answer within 2 s"
    assert house.running.state()[0]
    assert len({call.key for call in again}) == 2, "the next alarm has its turn before the first is tried again"
    house.receiver.usual.pop("/hung")
    until(lambda: len(set(house.receiver.keys("hung"))) == 3, "the other alarms")


def test_a_webhook_that_answers_500_is_tried_again_with_the_same_key_and_body(house: House) -> None:
    house.receiver.plans["/flaky"] = [Behaviour(500), Behaviour(503)]
    house.say(event("flaky"))
    calls = house.calls("flaky", 3)

    assert len({(call.key, call.body) for call in calls}) == 1
    assert house.outcome("flaky", "delivered").attempts == 3


@pytest.mark.parametrize(("name", "status"), [("gone", 410), ("moved", 307)])
def test_a_webhook_that_refuses_is_not_asked_again(house: House, name: str, status: int) -> None:
    house.receiver.plans[f"/{name}"] = [Behaviour(status, {"Location": f"{house.receiver.address}/stolen"})]
    house.say(event(name), event(name, 2, "ok"), event(name, start="2026-02"))
    # The end of what was never heard of is not told; another alarm is.
    house.outcome(name, "delivered")

    refused = house.outcome(name, "refused")
    assert (refused.seq, refused.told, refused.attempts) == (1, None, 1)
    assert str(status) in refused.reason
    assert house.receiver.keys(name) == [key_of_event(event(name)), key_of_event(event(name, start="2026-02"))]
    assert not house.receiver.calls["/stolen"]


def test_a_webhook_that_asks_for_a_pause_gets_it_for_all_alarms(house: House) -> None:
    house.receiver.plans["/limited"] = [Behaviour(429, {"Retry-After": "1"})]
    house.say(event("limited"), event("limited", start="2026-02"))
    calls = house.calls("limited", 3)

    assert calls[1].at_s - calls[0].at_s >= 0.9
    assert len({call.key for call in calls}) == 2


def test_one_message_that_is_never_taken_holds_up_no_other_alarm(house: House) -> None:
    house.receiver.plans["/poison"] = [Behaviour(500)]
    house.say(event("poison"))
    house.calls("poison", 1)
    house.receiver.plans["/poison"] = [Behaviour(500)]
    house.say(event("poison", start="2026-02"))

    until(lambda: len(set(house.receiver.keys("poison"))) == 2, "the other alarm")


def test_a_mailbox_that_does_not_exist_is_refused_for_good(house: House) -> None:
    house.say(event("unknown"))

    refused = house.outcome("unknown", "refused")
    assert "550 no such mailbox" in refused.reason
    assert refused.attempts == 1


def test_what_a_channel_does_not_take_goes_to_the_next_one_and_its_keeper_is_told(house: House) -> None:
    house.receiver.usual["/chained"] = Behaviour(500)
    house.say(event("chained"))
    # The webhook is tried for a while, the mailbox refuses, the telephone takes it.
    until(lambda: key_of_event(event("chained")) in house.receiver.keys("sms"), "the message, by telephone")

    until(
        lambda: [one for one in records(house.settings) if (one.channel, one.via) == ("webhook", "sms")],
        "the record of the webhook",
        every_s=0.2,
    )
    mails = house.mails("keeper@city.example", 2)
    assert {str(mail["Subject"]) for mail in mails[:2]} == {"[Qingyu] Warning: Duty room, channel does not deliver"}
    text = "".join(mail.get_content() for one in mails[:2] if (mail := one.get_body(("plain",))) is not None)
    assert "webhook: HTTP 500" in text
    assert "mail: the recipient was not taken: 550" in text


def test_a_channel_that_works_again_is_told_and_the_end_takes_the_same_way(house: House) -> None:
    house.receiver.usual.pop("/chained")
    house.say(event("chained", 2, "ok"))

    assert house.calls("chained", 1)
    until(lambda: key_of_event(event("chained", 2, "ok")) in house.receiver.keys("chained"), "the end, by webhook")
    mails = house.mails("keeper@city.example", 3)
    assert "Cleared: Duty room, channel does not deliver" in str(mails[2]["Subject"])


def test_a_sign_of_life_goes_out_once_a_day(house: House) -> None:
    beat = document("recipient", "beat", {"channels": {"mail": {"address": "beat@city.example"}}, "heartbeat": "00:00"})
    house.register(beat)
    (mail,) = house.mails("beat@city.example")
    assert "消息通道每日检查" in str(mail["Subject"])

    house.restart()
    house.say(event("late", start="2026-07"))
    house.calls("late", 2)
    until(lambda: house.running.state()[1]["outstanding"] == 0, "everything is done with")
    assert len(house.mailbox.of("beat@city.example")) == 1


def test_mails_wait_for_a_mail_server_that_is_down(house: House) -> None:
    house.mail_server.stop()
    house.say(event("down"))
    until(lambda: "not reached" in house.running.state()[1]["trouble"].get("down|mail", ""), "the trouble")
    house.mail_server = MailServer(house.mailbox, port=house.settings.smtp_port).start()

    house.mails("down@works.example")
    assert house.outcome("down", "delivered").attempts > 1
    house.mail_server.stop()


def test_a_missing_secret_is_told_and_waited_for(house: House) -> None:
    assert "secret:later" in house.running.state()[1]["secrets_missing"]
    house.say(event("secretive"))
    until(lambda: house.running.state()[1]["trouble"].get("secretive|webhook"), "the trouble")
    trouble = house.running.state()[1]["trouble"]["secretive|webhook"]
    assert "QINGYU_SECRET_LATER" in trouble
    assert not house.receiver.calls["/secretive"]

    (house.settings.secrets / "later").write_text("found\n", encoding="utf-8")
    (call,) = house.calls("secretive", 1)
    signed = call.headers["qingyu-timestamp"].encode() + b"." + call.body
    assert call.headers["qingyu-signature"] == f"v1={hmac.new(b'found', signed, hashlib.sha256).hexdigest()}"
    assert not house.running.state()[1]["secrets_missing"]


def test_a_recipient_that_ended_while_something_was_outstanding_is_passed_over(house: House) -> None:
    house.receiver.usual["/ended"] = Behaviour(500)
    house.say(event("ended"))
    house.calls("ended", 1)
    recipient = hook(house.receiver, "ended", valid_to="2020-01-01")[1]
    house.register(recipient)

    dropped = house.outcome("ended", "dropped")
    assert (dropped.reason, dropped.told) == ("recipient_not_in_force", None)


def test_a_delivery_that_fails_for_too_long_is_given_up_and_the_next_one_goes_its_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.lane.GROWTH", (1,))
    house.receiver.usual["/hopeless"] = Behaviour(500)
    house.running.stop()
    house.running = RunningNotifier(house.settings.model_copy(update={"notify_give_up_s": 0.3}))
    house.running.start()
    house.say(event("hopeless"), event("hopeless", 2, "ok"))

    given_up = house.outcome("hopeless", "given_up")
    assert (given_up.seq, given_up.told) == (1, None)
    assert given_up.attempts > 1
    assert "HTTP 500" in given_up.reason
    house.receiver.usual.pop("/hopeless")
    house.say(event("hopeless", 3))
    assert house.outcome("hopeless", "delivered").seq == 3
    assert key_of_event(event("hopeless", 2, "ok")) not in house.receiver.keys("hopeless")
    house.restart()


def test_a_recipient_that_groups_gets_one_message_of_what_comes_together(house: House) -> None:
    names = ("grouped-a", "grouped-b", "grouped-c")
    channel = {"webhook": {"url": f"{house.receiver.address}/grouped", "secret": "secret:hook"}}
    house.register(
        *(document("enterprise", name, {}) for name in names),
        document(
            "recipient", "grouper", {"channels": channel, "group": {"by": ["rule"], "wait": "2s", "interval": "5min"}}
        ),
        document("route", "grouped", {"select": {"kind": "enterprise", "id": list(names)}, "recipients": ["grouper"]}),
    )
    house.say(*(event(name) for name in names))

    (call,) = house.calls("grouped", 1)
    assert call.key.startswith("digest|")
    assert len(house.receiver.calls["/grouped"]) == 1


def test_who_was_told_is_told_of_the_withdrawal_though_no_route_leads_there_any_more(house: House) -> None:
    house.say(event("rerouted"))
    house.outcome("rerouted", "delivered")
    route = hook(house.receiver, "rerouted")[2]
    house.register(route | {"valid_to": "2020-01-01"})
    house.say(event("rerouted", 2, "withdrawn"), event("rerouted", start="2026-02"))

    assert body_of(house.calls("rerouted", 2)[1])["event"]["condition"] == "withdrawn"


def test_what_was_known_long_before_the_first_start_is_not_told(house: House) -> None:
    house.calls("late", 1)

    assert not house.receiver.calls["/early"]


def test_an_event_to_nobody_and_one_that_cannot_be_read_are_passed_over(house: House) -> None:
    send(house.settings, [(ALARM_EVENTS, partition, b"?", b"no event") for partition in range(2)])
    house.say(event("lonely"), event("bad"))

    house.calls("bad", 1)
    assert house.running.state()[0]


def test_a_restart_repeats_nothing_and_goes_on_where_it_was(house: House) -> None:
    until(lambda: house.running.state()[1]["outstanding"] == 0, "everything is done with")
    before = {path: len(calls) for path, calls in house.receiver.calls.items()}
    mails = len(house.mailbox.mails)
    house.running.stop()
    house.say(event("works", 2, "ok"))
    house.restart()

    house.calls("works", 2)
    after = {path: len(calls) for path, calls in house.receiver.calls.items()}
    assert after == before | {"/works": 2}
    assert len(house.mailbox.mails) == mails
    recorded = Counter((one.recipient, one.channel, one.key) for one in records(house.settings))
    assert not [one for one, count in recorded.items() if count > 1]


def test_offsets_are_noted_once_everything_before_is_done(house: House) -> None:
    house.restart()
    marks = [each for each in read(house.settings, DELIVERY) if each.key == READ_KEY]
    ends = {number: 0 for number in range(house.settings.partitions)}
    for each in read(house.settings, ALARM_EVENTS):
        ends[each.partition] = each.offset + 1

    offsets = decode_delivery_read(marks[-1].value).offsets
    assert all(offsets[number] >= end for number, end in ends.items())
    assert decode_delivery_read(marks[0].value).offsets == {}
    assert len({decode_delivery_read(each.value).since for each in marks}) == 1
