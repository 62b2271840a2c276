"""Channels against servers that behave as the real ones: what was said, what it was taken for, what is never shown."""

import asyncio
import http.server
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from schemas.documents import Document, Recipient, parse_document
from schemas.settings import Settings
from services.command.serving import set_up_logs
from services.notifier.answer import Answer, Trouble
from services.notifier.channels import every_channel
from services.notifier.chat import cut
from services.notifier.message import single
from services.notifier.reach import PrivateAddressError, Reach
from services.notifier.wording import Wording
from services.secrets import Secrets
from streams.domain.registry import Snapshot
from tests.local_http import LocalHttp
from tests.notifier.conftest import Behaviour, Receiver, document, event
from tests.notifier.robots import KEY, TOKEN, Robots

ROBOTS = ("dingtalk", "wecom", "feishu")
PHONE = "13800001111"
ENVIRONMENT = {
    "QINGYU_SECRET_TOKEN": TOKEN,
    "QINGYU_SECRET_KEY": KEY,
    "QINGYU_SECRET_WRONG": "wrong-token",
    "QINGYU_SECRET_HOOK": "hook-key",
    "QINGYU_SECRET_PHONE": PHONE,
    "QINGYU_SECRET_ACCOUNT": "account-password",
}
SMS = {
    "url": "http://127.0.0.1:1/send",
    "json": {"to": ["{{ phone }}"], "password": "{{ secret.account }}", "text": "【晴雨】{{ title }}"},
    "secrets": {"account": "secret:account"},
    "success": {"field": "code", "values": ["0"], "limited": ["9"], "auth": ["2"]},
}


@pytest.fixture(scope="module")
def robots() -> Iterator[Robots]:
    with Robots() as found:
        yield found


@pytest.fixture
def provider() -> Iterator["Provider"]:
    found = Provider()
    yield found
    found.stop()


class Provider(LocalHttp):
    """An HTTP server that keeps what it got and answers with `answer`."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = b'{"code": 0}'
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                provider.got.append((self.path, dict(self.headers.items()), body))
                self.send_response(200)
                self.send_header("Content-Length", str(len(provider.answer)))
                self.end_headers()
                self.wfile.write(provider.answer)

            def log_message(self, format: str, *args: Any) -> None:
                return

        super().__init__(Handler)


def parsed(raw: dict[str, Any]) -> Document:
    found = parse_document(raw)
    assert not isinstance(found, list), found
    return found


def send(
    channel: str,
    spec: dict[str, Any],
    robots: Robots | None = None,
    *,
    gateway: dict[str, Any] | None = None,
    private: str = "127.0.0.1",
    name: str = "钢厂",
    reason: str | None = None,
    language: str = "zh",
    limit_s: float = 1.0,
) -> Answer:
    """Send one event on a channel and return the answer."""
    address = robots.address if robots else "http://127.0.0.1:1"
    settings = Settings(
        dingtalk_api=address, wecom_api=address, feishu_api=address, notify_private=private, notify_timeout_s=limit_s
    )
    recipient = parsed(document("recipient", "duty", {"channels": {channel: spec}, "language": language}))
    assert isinstance(recipient, Recipient)
    known = [parsed(document("enterprise", "works", {}, name={"zh": name}))]
    if gateway is not None:
        known.append(parsed(document("sms", "provider", gateway)))
    more: dict[str, Any] = {} if reason is None else {"reason": reason}
    wording = Wording(single(event("works", **more)), Snapshot.build(1, known), "https://board.city.example/x")

    async def run() -> Answer:
        ways = every_channel(settings, Secrets(Path("/nowhere"), ENVIRONMENT))
        try:
            return await ways[channel].send(recipient, wording)
        finally:
            for way in ways.values():
                await way.close()

    return asyncio.run(run())


def robot(channel: str, token: str = "secret:token", key: str | None = "secret:key") -> dict[str, Any]:
    return {"robot": token} if channel == "wecom" or key is None else {"robot": token, "secret": key}


@pytest.mark.parametrize("channel", ROBOTS)
def test_a_robot_says_the_alarm_in_the_group(robots: Robots, channel: str) -> None:
    assert send(channel, robot(channel), robots).trouble is None

    said = robots.said[-1]
    assert said.startswith("严重告警：钢厂 steel-limit 97.235 kgce/t")
    assert "https://board.city.example/x" in said
    assert f"{event('works').id}|1" in said


@pytest.mark.parametrize("channel", ROBOTS)
def test_a_code_in_the_body_of_200_is_no_success(robots: Robots, channel: str) -> None:
    before = len(robots.said)
    found = send(channel, robot(channel, token="secret:wrong"), robots)

    assert found.trouble is Trouble.AUTH
    assert "wrong-token" not in found.reason
    assert len(robots.said) == before


@pytest.mark.parametrize("channel", ["dingtalk", "feishu"])
def test_a_signature_under_another_key_is_not_taken(robots: Robots, channel: str) -> None:
    assert send(channel, robot(channel, key="secret:hook"), robots).trouble is Trouble.AUTH
    assert send(channel, robot(channel, key=None), robots).trouble is Trouble.AUTH


@pytest.mark.parametrize(("channel", "pause_s"), [("dingtalk", 600), ("wecom", 60), ("feishu", 60)])
def test_a_robot_that_had_too_much_asks_for_its_pause(robots: Robots, channel: str, pause_s: float) -> None:
    robots.mute = True
    try:
        found = send(channel, robot(channel), robots)
    finally:
        robots.mute = False

    assert (found.trouble, found.retry_after_s) == (Trouble.LIMITED, pause_s)


@pytest.mark.parametrize(("channel", "limit"), [("dingtalk", 20_000), ("wecom", 4096), ("feishu", 20_000)])
def test_what_is_too_long_is_cut_by_bytes_and_says_so(
    robots: Robots, channel: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.answer.MAX_REASON", 30_000)
    # Three bytes a character, and line ends that JSON writes with two.
    found = send(channel, robot(channel), robots, reason="能" * 9000)

    assert found.trouble is None, found
    said = robots.said[-1]
    assert limit - 200 < len(said.encode()) <= limit
    assert "（内容过长，已截断）" in said
    assert said.endswith(f"{event('works').id}|1")
    assert "\ufffd" not in said


@pytest.mark.parametrize("limit", range(0, 40))
def test_a_cut_text_is_never_longer_and_ends_at_a_character(limit: int) -> None:
    found = cut("晴雨晴雨晴雨abc晴雨", limit, "…完")

    assert len(found.encode()) <= limit or found == "晴雨晴雨晴雨abc晴雨"
    assert "\ufffd" not in found


def test_a_page_in_place_of_a_robots_answer_is_tried_again(provider: Provider, robots: Robots) -> None:
    provider.answer = b"<html>please log in</html>"
    robots_at = robots.address
    robots.address = f"http://127.0.0.1:{provider.port}"
    try:
        assert send("dingtalk", robot("dingtalk"), robots).trouble is Trouble.UNREACHABLE
    finally:
        robots.address = robots_at


def test_an_sms_fills_the_gateways_template_and_reads_its_code(provider: Provider) -> None:
    gateway = SMS | {"url": f"http://127.0.0.1:{provider.port}/send", "headers": {"X-Account": "{{ secret.account }}"}}
    spec = {"gateway": "provider", "phone": "secret:phone"}

    assert send("sms", spec, gateway=gateway, name='钢"厂').trouble is None
    _, headers, body = provider.got[-1]
    sent = json.loads(body)
    assert (sent["to"], sent["password"], headers["X-Account"]) == ([PHONE], "account-password", "account-password")
    assert sent["text"].startswith('【晴雨】[晴雨] 严重告警：钢"厂')
    assert len(sent["text"]) <= 60 + len("【晴雨】")
    assert headers["Idempotency-Key"] == f"{event('works').id}|1"
    for code, trouble in ((9, Trouble.LIMITED), (2, Trouble.AUTH), (5, Trouble.REFUSED)):
        provider.answer = json.dumps({"code": code, "message": f"no {PHONE}"}).encode()
        found = send("sms", spec, gateway=gateway)
        assert (found.trouble, PHONE in found.reason) == (trouble, False)


def test_an_sms_by_form_keeps_values_apart(provider: Provider) -> None:
    url = f"http://127.0.0.1:{provider.port}/send?from=qingyu"
    gateway = {"url": url, "form": {"mobile": "{{ phone }}", "content": "{{ title }}"}, "query": {"k": "{{ key }}"}}
    send("sms", {"gateway": "provider", "phone": "secret:phone"}, gateway=gateway, name="A&mobile=1")

    path, _, body = provider.got[-1]
    sent = parse_qs(body.decode())
    assert sent["mobile"] == [PHONE]
    assert "A&mobile=1" in sent["content"][0]
    assert parse_qs(path.partition("?")[2]) == {"from": ["qingyu"], "k": [f"{event('works').id}|1"]}


def test_apprise_carries_what_has_no_sender_of_its_own(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "QINGYU_SECRET_TAIL", f"json://127.0.0.1:{provider.port}/tail")
    monkeypatch.setitem(ENVIRONMENT, "QINGYU_SECRET_GONE", "json://127.0.0.1:1/")
    monkeypatch.setitem(ENVIRONMENT, "QINGYU_SECRET_NONE", "no-such-service://x")

    # The first one also waits for apprise to be loaded.
    assert send("apprise", {"url": "secret:tail"}, limit_s=60).trouble is None
    sent = json.loads(provider.got[-1][2])
    assert sent["title"].startswith("[晴雨] 严重告警：钢厂")
    assert "97.235 kgce/t" in sent["message"]
    assert send("apprise", {"url": "secret:gone"}, limit_s=20).trouble is Trouble.UNREACHABLE
    assert send("apprise", {"url": "secret:none"}, limit_s=20).trouble is Trouble.AUTH


def hooked(receiver: Receiver, path: str, host: str = "127.0.0.1", private: str = "127.0.0.1") -> Answer:
    port = receiver.address.rpartition(":")[2]
    return send("webhook", {"url": f"http://{host}:{port}/{path}", "secret": "secret:hook"}, private=private)


@pytest.mark.parametrize(
    ("behaviour", "trouble"),
    [
        (Behaviour(204), None),
        (Behaviour(401), Trouble.AUTH),
        (Behaviour(403), Trouble.AUTH),
        (Behaviour(404), Trouble.REFUSED),
        (Behaviour(429, {"Retry-After": "7"}), Trouble.LIMITED),
        (Behaviour(500), Trouble.UNREACHABLE),
        (Behaviour(307, {"Location": "http://10.0.0.1/"}), Trouble.REFUSED),
        (Behaviour(hang=True), Trouble.UNREACHABLE),
    ],
    ids=str,
)
def test_a_webhooks_status_tells_the_kind_of_trouble(
    receiver: Receiver, behaviour: Behaviour, trouble: Trouble | None
) -> None:
    receiver.plans["/status"] = [behaviour]
    found = hooked(receiver, "status")

    assert found.trouble is trouble
    assert found.retry_after_s == (7 if trouble is Trouble.LIMITED else None)


@pytest.mark.parametrize("private", ["", "10.0.0.0/8", "localhost.example"])
def test_a_private_address_is_refused_and_never_asked(receiver: Receiver, private: str) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        found = hooked(receiver, "private", host, private)
        assert found.trouble is Trouble.REFUSED
        assert "QINGYU_NOTIFY_PRIVATE" in found.reason
    assert not receiver.calls["/private"]


@pytest.mark.parametrize("private", ["127.0.0.0/8", "10.1.2.3, 127.0.0.1", "localhost"])
def test_a_private_address_that_the_settings_allow_is_reached(receiver: Receiver, private: str) -> None:
    assert hooked(receiver, "allowed", "localhost", private).trouble is None
    assert receiver.calls["/allowed"][-1].headers["host"].startswith("localhost:")


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1",
     "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:10.0.0.1", "224.0.0.1", "2130706433", "0x7f.1"],
)  # fmt: skip
def test_no_way_of_writing_a_private_address_is_taken_for_a_public_one(host: str) -> None:
    with pytest.raises((PrivateAddressError, OSError)):
        asyncio.run(Reach("").addresses(host, 80))


def test_a_public_address_is_reached() -> None:
    assert asyncio.run(Reach("").addresses("8.8.8.8", 443)) == ["8.8.8.8"]


def test_no_log_line_holds_a_secret(robots: Robots, provider: Provider, receiver: Receiver) -> None:
    gateway = SMS | {"url": f"http://127.0.0.1:{provider.port}/send"}
    provider.answer = json.dumps({"code": 5, "message": f"{PHONE} account-password"}).encode()
    receiver.plans["/secretive"] = [Behaviour(500)]
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    said = io.StringIO()
    reasons: list[str] = []
    with redirect_stderr(said):
        try:
            root.handlers.clear()
            set_up_logs(logging.DEBUG)
            asked: list[Callable[[], Answer]] = [
                *(lambda name=name: send(name, robot(name), robots) for name in ROBOTS),
                *(lambda name=name: send(name, robot(name, token="secret:wrong"), robots) for name in ROBOTS),
                *(lambda name=name: send(name, robot(name)) for name in ROBOTS),
                lambda: send("sms", {"gateway": "provider", "phone": "secret:phone"}, gateway=gateway),
                lambda: hooked(receiver, "secretive"),
            ]
            reasons = [one().reason for one in asked]
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
    for secret in ENVIRONMENT.values():
        assert secret not in said.getvalue()
        assert not [reason for reason in reasons if secret in reason]
