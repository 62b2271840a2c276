"""Who may see what on the board, how one logs in, and what no other site can do to him."""

import re

import httpx
import pytest

from services.console.routing import POLICY
from tests.api_server import OPERATOR, RunningApi
from tests.console.city import CITY, COUNTY, METER, OTHER_COUNTY, QUIET_METER, SCHOOL, STEEL, alarm


def look(board: RunningApi, path: str, token: str | None = OPERATOR, **headers: str) -> httpx.Response:
    cookie = {"Cookie": f"qingyu_token={token}"} if token else {}
    return httpx.get(board.url + path, headers=cookie | headers, timeout=120)


@pytest.mark.parametrize(
    ("token", "seen", "not_seen"),
    [
        (OPERATOR, [CITY, COUNTY, STEEL, METER, QUIET_METER], []),
        ("viewer-token", [CITY, STEEL, QUIET_METER], []),
        ("city-token", [CITY, OTHER_COUNTY, STEEL], ["province/sichuan"]),
        ("county-token", [COUNTY, STEEL, METER], [CITY, OTHER_COUNTY, QUIET_METER]),
        ("steel-token", [STEEL, METER], [CITY, COUNTY, SCHOOL, QUIET_METER]),
    ],
)
def test_everybody_sees_his_own_pages_and_streams_only(
    board: RunningApi, token: str, seen: list[str], not_seen: list[str]
) -> None:
    assert [look(board, f"/board/{one}", token).status_code for one in seen] == [200] * len(seen)
    assert [look(board, f"/board/{one}", token).status_code for one in not_seen] == [403] * len(not_seen)
    assert [look(board, f"/board/live/{one}", token).status_code for one in not_seen] == [403] * len(not_seen)


def test_an_enterprise_reads_no_name_and_no_figure_of_another(board: RunningApi) -> None:
    for path in (f"/board/{STEEL}", f"/board/{METER}", "/board/territories"):
        page = look(board, path, "steel-token", **{"Accept-Language": "en"}).text
        assert not re.search("School|Cement|bz-school|nj-cement", page)


def test_what_lies_above_an_enterprise_is_named_to_it_without_a_link(board: RunningApi) -> None:
    page = look(board, f"/board/{STEEL}", "steel-token").text
    assert "巴州区" in page
    assert 'href="/board/county/bazhou"' not in page
    assert 'href="/board/county/bazhou"' in look(board, f"/board/{STEEL}", "county-token").text


def test_an_alarm_is_shown_to_those_who_see_its_entity(board: RunningApi) -> None:
    path = f"/board/alarm/{alarm().id}"
    page = look(board, path, "steel-token", **{"Accept-Language": "en"})
    assert page.status_code == 200
    assert "Limit of energy per tonne" in page.text
    assert "raised" in page.text
    assert look(board, "/board/alarm/" + "0" * 20).status_code == 404


@pytest.mark.parametrize(
    ("token", "home"),
    [
        (OPERATOR, f"/board/{CITY}"),
        ("county-token", f"/board/{COUNTY}"),
        ("steel-token", f"/board/{STEEL}"),
    ],
)
def test_the_first_page_is_what_one_is_about(board: RunningApi, token: str, home: str) -> None:
    assert look(board, "/board", token).headers["location"] == home


def test_without_a_log_in_one_is_asked_for_it_and_led_back(board: RunningApi) -> None:
    answer = look(board, f"/board/{CITY}", None)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next=/board/{CITY}")
    assert look(board, f"/board/live/{CITY}", None).status_code == 401
    assert look(board, "/board/session", None).status_code == 401
    assert look(board, "/board/session").status_code == 204


def test_who_comes_by_a_link_in_a_mail_is_not_taken_for_a_stranger(board: RunningApi) -> None:
    answer = look(board, f"/board/{CITY}", None, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert f'content="0;url=/board/{CITY}"' in answer.text


def test_a_token_that_opens_something_is_kept_where_no_script_and_no_other_site_reaches_it(board: RunningApi) -> None:
    answer = httpx.post(f"{board.url}/login", data={"token": "steel-token", "next": f"/board/{STEEL}"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/board/{STEEL}")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("qingyu_token=steel-token;")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


def test_over_https_the_cookie_is_for_https_only(board: RunningApi) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    answer = httpx.post(f"{board.url}/login", data={"token": "steel-token"}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("token", "status"), [("nonsense", 401), ("", 401), ("x" * 600, 401), ("collector-token", 403)]
)
def test_a_token_that_opens_nothing_is_not_kept(board: RunningApi, token: str, status: int) -> None:
    answer = httpx.post(f"{board.url}/login", data={"token": token})
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


def test_a_token_in_the_address_is_not_taken(board: RunningApi) -> None:
    answer = httpx.get(f"{board.url}/login?token=steel-token")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "steel-token" not in answer.text


def test_logging_out_takes_the_cookie_back(board: RunningApi) -> None:
    answer = httpx.post(f"{board.url}/logout")
    assert answer.headers["location"] == "/login"
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/login", "/logout", "/board/preferences"])
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_no_other_site_logs_one_in_or_out_or_changes_anything(
    board: RunningApi, path: str, headers: dict[str, str]
) -> None:
    answer = httpx.post(f"{board.url}{path}", data={"token": "steel-token", "theme": "dark"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_form_is_refused_when_it_is_too_long(board: RunningApi) -> None:
    assert httpx.post(f"{board.url}/login", data={"token": "x" * 20_000}).status_code == 413


def test_the_cookie_opens_pages_and_nothing_of_the_api(board: RunningApi) -> None:
    assert look(board, "/v1/entities").status_code == 401


def test_every_page_lets_nothing_in_from_elsewhere(board: RunningApi) -> None:
    for path in (
        f"/board/{CITY}",
        f"/board/{STEEL}",
        f"/board/{METER}",
        "/login",
        "/board/territories",
        "/board/city/no",
    ):
        answer = look(board, path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", answer.text)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/board/city/nowhere", 404),
        ("/board/nonsense/x", 404),
        ("/board/list/key-energy-units", 404),
        ("/static/x/../board.css", 404),
        ("/static/x/nothing.js", 404),
        ("/static/x/board.css", 200),
        ("/favicon.ico", 200),
        ("/", 303),
    ],
)
def test_addresses_lead_where_they_should(board: RunningApi, path: str, status: int) -> None:
    assert look(board, path).status_code == status


def test_files_may_be_kept_for_ever_under_the_address_that_names_their_version(board: RunningApi) -> None:
    address = re.search(r'"(/static/[^"]+/board.css)"', look(board, "/login", None).text)
    assert address is not None
    assert "immutable" in look(board, address[1], None).headers["cache-control"]
    assert look(board, "/static/older/board.css", None).headers["cache-control"] == "no-cache"
