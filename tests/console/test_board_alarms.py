"""Alarms on the board in a real browser: found by filters, acted on by a form, with what was done about them."""

import uuid

import httpx
from msgspec.structs import asdict, replace

from schemas.deliveries import DeliveryNote
from schemas.messages import AlarmEvent, Condition
from tests.api_server import RunningApi
from tests.console.city import alarm
from tests.console.conftest import OPERATOR_COOKIE, Opened


def put(board: RunningApi, **changed: object) -> Condition:
    found = replace(alarm(), id=uuid.uuid4().hex[:20], **changed)
    event = AlarmEvent(**asdict(found), from_="ok", cause="raised", actor="engine")
    board.store.keep([], [found, event], [])
    return found


def post(board: RunningApi, id_: str, token: str = OPERATOR_COOKIE, **fields: str) -> httpx.Response:
    site = fields.pop("site", "same-origin")
    headers = {"Cookie": f"qingyu_token={token}", "Sec-Fetch-Site": site, "Accept-Language": "en"}
    return httpx.post(f"{board.url}/board/alarm/{id_}", data=fields, headers=headers, timeout=60)


def test_an_alarm_is_found_acted_on_and_tells_what_was_done(board: RunningApi, opened: Opened) -> None:
    one = put(board, condition="established")
    notes = [
        DeliveryNote(1, one.known, [(one.id, one.seq)], "delivered", "HTTP 200", "duty-room", "webhook", f"{one.id}|1"),
        DeliveryNote(1, one.known, [(one.id, one.seq)], "not_sent", "other_severity", by="grave"),
    ]
    board.store.keep([], notes, [])
    page = opened(board, f"/board/alarms?entity={one.entity}", language="en", quiet=False)
    page.get_by_label("Handling").select_option("new")
    page.get_by_label("Condition").select_option("established")
    page.get_by_role("button", name="Show").click()
    page.locator(f'a[href="/board/alarm/{one.id}"]').click()
    told = page.get_by_role("region", name="Who was told, and why not").get_by_role("row")
    assert "duty-room · webhook\tdelivered\tHTTP 200" in told.nth(1).inner_text() + told.nth(2).inner_text()
    assert told.filter(has_text="everybody").filter(has_text="not about this severity grave").count() == 1
    page.get_by_label("Your name").fill("Li Lei")
    page.get_by_label("Text or reason").fill("泵 3 <b>空转")
    page.get_by_label("For how long").select_option("4h")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("status").get_by_text("Acknowledged.").wait_for()
    row = page.get_by_role("row").filter(has_text="泵 3 <b>空转")
    assert "Li Lei" in row.inner_text()
    page.get_by_label("Text or reason").fill("")
    page.get_by_label("For how long").select_option("4h")
    page.get_by_role("button", name="Silence").click()
    page.get_by_role("alert").get_by_text("A silence needs a reason.").wait_for()
    page.get_by_label("For how long").select_option("")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("status").get_by_text("Closed.").wait_for()
    page.goto(f"{board.url}/board/alarms?handling=closed")
    assert page.locator(f'a[href="/board/alarm/{one.id}"]').count() == 1
    # Other pages of the same board count what stands.
    board.store.keep([], [replace(one, condition="withdrawn")], [])


def test_the_form_is_for_those_who_may_and_for_pages_of_ours(board: RunningApi) -> None:
    one = put(board, condition="pending")
    assert post(board, one.id, action="comment", text="x", site="cross-site").status_code == 403
    assert post(board, one.id, token="nobody", action="comment", text="x").status_code == 401
    assert post(board, one.id, token="steel-token", action="close").status_code == 403
    assert post(board, one.id, action="close").status_code == 409
    assert post(board, one.id, action="burn").status_code == 422
    assert post(board, one.id, token="steel-token", action="comment", text="seen").status_code == 200
