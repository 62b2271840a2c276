"""The demo's postbox: mails and webhooks arrive, signatures are checked, and the page shows them."""

import json
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage

import httpx
import pytest

from services.notifier.signature import sign
from services.simulator.postbox import Postbox

SECRET = "s3"


@pytest.fixture
def box() -> Iterator[Postbox]:
    with Postbox(secret=SECRET) as found:
        yield found


def post(box: Postbox, secret: str) -> httpx.Response:
    event = {"condition": "firing", "severity": "critical"}
    body = json.dumps({"title": {"zh": "严重告警", "en": "Critical"}, "recipient": "duty", "event": event}).encode()
    now_s = int(time.time())
    headers = {"Qingyu-Timestamp": str(now_s), "Qingyu-Signature": sign(secret, now_s, body), "Idempotency-Key": "a|1"}
    return httpx.post(box.hook, content=body, headers=headers, timeout=120)


def test_a_mail_is_kept_and_shown_without_running_what_is_in_it(box: Postbox) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "告警 <b>", "qingyu@city.example", "duty@city.example"
    mail["Idempotency-Key"] = "a|1"
    mail.set_content("text")
    mail.add_alternative("<h1>body</h1><script>1</script>", subtype="html")
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", box.smtp_port, timeout=120) as server:
            server.send_message(mail)

    letters = box.letters()
    assert [(one.kind, one.key, one.title, one.to, one.repeat) for one in letters] == [
        ("mail", "a|1", "告警 <b>", "duty@city.example", repeat) for repeat in (2, 1)
    ]
    page = httpx.get(box.address, timeout=120)
    assert "告警 &lt;b&gt;" in page.text
    assert "<script>1" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_webhook_is_verified(box: Postbox) -> None:
    assert post(box, SECRET).status_code == 204
    assert post(box, "another").status_code == 401

    bad, good = box.letters()
    assert (good.fault, good.title, good.to) == (None, "严重告警 / Critical", "duty")
    assert bad.fault is not None
    page = httpx.get(box.address, timeout=120).text
    assert page.count("签名有效") == 1
    assert page.count("签名无效") == 1


def test_an_empty_postbox_says_so_and_other_paths_are_not_there(box: Postbox) -> None:
    assert "还没有消息" in httpx.get(box.address, timeout=120).text
    assert httpx.get(f"{box.address}/elsewhere", timeout=120).status_code == 404
    assert httpx.post(f"{box.address}/elsewhere", content=b"", timeout=120).status_code == 404
