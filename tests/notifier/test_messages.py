"""Messages: whatever stands in a name, headers stay headers; signatures fit one body and one moment."""

import datetime as dt
import email.utils
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.documents import parse_document
from schemas.settings import Settings
from schemas.templating import TemplateFaultError
from services.notifier.mail import MailChannel
from services.notifier.message import SHOWN, digest, single
from services.notifier.post import MAX_RETRY_AFTER_S, retry_after_s
from services.notifier.signature import TOLERANCE_S, fault_of, sign
from services.notifier.wording import Wording
from services.secrets import Secrets
from streams.domain.registry import Snapshot
from tests.notifier.conftest import document, event

NASTY = 'Works\r\nBcc: everybody@city.example\r\n\r\n<script>alert("1")</script>'


def wording(name: dict[str, str], **more: Any) -> Wording:
    raw = document("enterprise", "works", {}, name=name)
    found = parse_document(raw)
    assert not isinstance(found, list)
    return Wording(single(event("works", **more)), Snapshot.build(1, [found]), "https://board.city.example/")


def channel(tmp_path: Path) -> MailChannel:
    settings = Settings(smtp_from="qingyu@city.example", smtp_from_name="晴雨\nBcc: x@city.example")
    return MailChannel(settings, Secrets(tmp_path, {}), lambda: 1_767_225_600.0)


def test_a_name_with_line_ends_and_markup_stays_in_its_place(tmp_path: Path) -> None:
    mail = channel(tmp_path).message("duty", "duty@city.example", "en", wording({"en": NASTY}))

    assert mail["Bcc"] is None
    assert b"\r\nBcc:" not in mail.as_bytes().partition(b"\r\n\r\n")[0]
    assert "Works Bcc: everybody@city.example" in mail["Subject"]
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


def test_a_repeated_mail_is_the_same_but_for_its_boundary(tmp_path: Path) -> None:
    one, two = (channel(tmp_path).message("duty", "duty@city.example", "zh", wording({"zh": "钢厂"})) for _ in range(2))
    other = channel(tmp_path).message("duty", "duty@city.example", "zh", wording({"zh": "钢厂"}, seq=2))
    elsewhere = channel(tmp_path).message("boss", "boss@city.example", "zh", wording({"zh": "钢厂"}))

    assert [one[name] for name in ("Message-ID", "Date", "Subject")] == [
        two[name] for name in ("Message-ID", "Date", "Subject")
    ]
    assert len({mail["Message-ID"] for mail in (one, other, elsewhere)}) == 3
    assert one["References"] == other["References"]


def test_a_name_in_the_other_language_is_better_than_an_id() -> None:
    assert wording({"zh": "钢厂"}).entity("en") == "钢厂"
    assert wording({}).entity("en") == "works"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("97.234567", "97.235 kgce/t"), ("100", "100 kgce/t"), ("0.0001", "0 kgce/t"), ("1200.50", "1200.50 kgce/t")],
)
def test_values_are_shown_with_three_places(value: str, shown: str) -> None:
    assert shown in wording({}, value=value).title("en")


def test_a_value_that_is_not_known_is_left_out() -> None:
    assert wording({}, value=None).title("en") == "Critical: works, steel-limit (limit 94 kgce/t)"


def test_a_template_words_what_it_has_and_leaves_the_rest() -> None:
    spec = {"title": {"en": "{{ entity }}: {{ value }}"}, "html": {"en": "<p>{{ entity }}</p>"}}
    known = [
        parse_document(document("template", "short", spec)),
        parse_document(document("enterprise", "works", {}, name={"en": "A<B"})),
    ]
    said = Wording(single(event("works")), Snapshot.build(1, known), "https://board.city.example/")  # pyright: ignore[reportArgumentType]

    assert said.letter("en", "short").title == "A<B: 97.235 kgce/t"
    assert said.letter("en", "short").html == "<p>A&lt;B</p>"
    assert said.letter("en", "short").text == said.letter("en").text
    assert said.letter("zh", "short") == said.letter("zh")
    assert said.letter("en", "gone") == said.letter("en")


def test_what_a_template_cannot_word_is_said_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise TemplateFaultError(1, "division by zero")

    known = [parse_document(document("template", "broken", {"title": {"en": "{{ entity }}"}}))]
    said = Wording(single(event("works")), Snapshot.build(1, known), "https://board.city.example/")  # pyright: ignore[reportArgumentType]
    assert said.letter("en", "broken").title == "works"
    monkeypatch.setattr("services.notifier.wording.render", fails)
    assert said.letter("en", "broken") == said.letter("en")


def test_a_signature_fits_one_body_one_moment_and_one_secret() -> None:
    signature = sign("s", 1000, b"body")

    assert fault_of("s", "1000", signature, b"body", 1000.0) is None
    assert fault_of("s", "1000", f"v0=00, {signature}", b"body", 1000.0) is None
    assert fault_of("s", "1000", signature, b"bodY", 1000.0) is not None
    assert fault_of("t", "1000", signature, b"body", 1000.0) is not None
    assert fault_of("s", "1001", signature, b"body", 1000.0) is not None
    assert fault_of("s", "1000", signature, b"body", 1001.0 + TOLERANCE_S) is not None
    assert fault_of("s", "soon", signature, b"body", 1000.0) is not None


def test_a_pause_is_asked_for_in_seconds_or_by_date() -> None:
    later = email.utils.format_datetime(dt.datetime.fromtimestamp(1060, dt.UTC), usegmt=True)

    assert retry_after_s("7", 1000.0) == 7
    assert retry_after_s(later, 1000.0) == 60
    assert retry_after_s("99999999", 1000.0) == MAX_RETRY_AFTER_S
    assert retry_after_s("soon", 1000.0) is None
    assert retry_after_s(None, 1000.0) is None


def test_a_digest_counts_its_events_shows_the_worst_and_names_every_key() -> None:
    events = [event("works", start=f"20{year:02}-01", severity="warning") for year in range(30)]
    events += [event("works", start="2040-01"), event("works", 2, "ok", start="2041-01")]
    message = digest("duty", "webhook", "all", events)

    assert message == digest("duty", "webhook", "all", events), "a repeat has the same key"
    assert len({digest(name, "webhook", "all", events).key for name in ("duty", "boss")}) == 2
    assert message.keys == tuple(f"{one.id}|{one.seq}" for one in events)
    assert len(message.events) == SHOWN
    assert message.events[0].severity == "critical"
    assert all(one.condition == "firing" for one in message.events)
    found = Wording(message, Snapshot.build(1, []), "https://board.city.example/")
    assert found.title("zh") == "告警汇总 32 条：严重告警 1，警告 30，告警解除 1"
    assert found.title("en") == "Digest of 32 alarm events: Critical 1, Warning 30, Cleared 1"
    body = json.loads(found.body("duty", "https://board.city.example/v1/digests/x"))
    assert (body["type"], body["counts"]) == ("alarm.digest", {"critical": 1, "warning": 30, "ok": 1})
    assert body["keys"] == list(message.keys)
    assert "Critical: works" in found.letter("en").text
