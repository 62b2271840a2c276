"""The board in a real browser: what it paints, says, updates, survives, and how one reaches it without a mouse."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from schemas.settings import Settings
from schemas.windows import HOUR_MS
from tests.api_server import OPERATOR, RunningApi, running_api
from tests.console.city import CITY, METER, SCHOOL, STEEL, TODAY_MS, alarm, city_documents, peak, point
from tests.console.conftest import Opened

AXE = Path(__file__).with_name("axe-4.14.1.min.js").read_text(encoding="utf-8")
FAULTS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
PAGES = (
    f"/board/{CITY}",
    f"/board/{STEEL}",
    f"/board/{METER}",
    f"/board/alarm/{alarm().id}",
    "/board/alarms",
    "/board/territories",
    "/login",
)


def live(page: Page) -> Page:
    """Return the page once its stream stands."""
    expect(page.locator("html[data-link=live]")).to_have_count(1)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_accessibility(board: RunningApi, opened: Opened, theme: str) -> None:
    page = opened(board, PAGES[0], theme=theme, language="en" if theme == "dark" else "zh")
    for path in PAGES:
        page.goto(board.url + path)
        if path.count("/") == 3 and "alarm" not in path:
            live(page)
        page.evaluate(AXE)
        assert page.evaluate(FAULTS) == [], path


def test_the_first_paint_comes_within_a_second(board: RunningApi, opened: Opened) -> None:
    page = opened(board, f"/board/{CITY}")
    times_ms: list[float] = []
    for _ in range(5):
        page.goto(board.url + f"/board/{CITY}")
        page.wait_for_function(PAINTED)
        times_ms.append(page.evaluate(PAINTED))
    # The quickest: the others tell how busy the machine is.
    assert min(times_ms) < 1000, times_ms


@pytest.mark.parametrize("size", [(390, 844), (1280, 800), (3840, 2160)])
def test_no_page_is_wider_than_its_screen_and_a_wall_has_nothing_to_scroll(
    board: RunningApi, opened: Opened, size: tuple[int, int]
) -> None:
    page = opened(board, f"/board/{CITY}", size=size, language="en")
    for path in (f"/board/{CITY}", f"/board/{STEEL}", f"/board/{METER}"):
        page.goto(board.url + path)
        width, height = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert width <= size[0], path
        assert height <= size[1] or size[0] < 3840, path


def test_a_change_in_the_store_appears_while_one_looks(board: RunningApi, opened: Opened) -> None:
    page = live(opened(board, f"/board/{SCHOOL}", language="en"))
    board.store.write([point("day", SCHOOL, "energy.cv", TODAY_MS, 9_876_543.0)])
    expect(page.locator(".tile-day .tile-number")).to_have_text("9,877")


def test_an_alarm_appears_at_once_is_read_out_once_and_leads_to_what_it_is(board: RunningApi, opened: Opened) -> None:
    page = live(opened(board, f"/board/{CITY}", language="en"))
    expect(page.locator("[data-cell='alarms/count']")).to_have_text("1")
    board.store.keep([], [peak()], [])
    try:
        expect(page.locator("[data-cell='alarms/count']")).to_have_text("2")
        expect(page.locator(".hero-word")).to_have_text("Storm")
        said = page.locator("[aria-live=polite]")
        expect(said).to_have_text("New alarm: Steel, Hourly peak, 431.5 kWh")
        page.locator(f"#alarm-{peak().id}").focus()
        board.store.keep([], [alarm("hourly-peak", "2018-03-14T09", known=1, severity="info")], [])
        expect(page.locator("[data-cell='alarms/count']")).to_have_text("3")
        expect(page.locator(f"#alarm-{peak().id}")).to_be_focused()
        expect(said).to_have_text("New alarm: Steel, Hourly peak, 431.5 kWh")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Hourly peak")
    finally:
        over = [peak(), alarm("hourly-peak", "2018-03-14T09", known=1, severity="info")]
        for one in over:
            one.condition = "ok"
        board.store.keep([], over, [])


def test_a_meters_curve_and_tables_follow_its_readings(board: RunningApi, opened: Opened) -> None:
    page = live(opened(board, f"/board/{METER}", language="en"))
    expect(page.locator(".chart canvas")).to_have_count(2)
    expect(page.locator(".quality-other")).to_have_text("estimated")
    page.get_by_text("Show as a table").click()
    board.store.write([point("hour", METER, "qty.electricity", TODAY_MS + 13 * HOUR_MS, 321.5)])
    expect(page.locator("[data-cell='h/13/today']")).to_have_text("321.5")


def test_language_and_theme_are_switched_on_the_page_and_kept(board: RunningApi, opened: Opened) -> None:
    page = opened(board, f"/board/{CITY}", language="zh", theme="auto")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(board.url + f"/board/{STEEL}")
    expect(page.locator("html[lang=en][data-theme=dark]")).to_have_count(1)


def test_one_gets_everywhere_by_keyboard(board: RunningApi, opened: Opened) -> None:
    page = opened(board, f"/board/{CITY}", language="en")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Steel":
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Steel")


def test_a_link_with_a_token_logs_in_and_leaves_the_token_nowhere(board: RunningApi, opened: Opened) -> None:
    page = opened(board, "/login#token=steel-token", token=None)
    page.wait_for_url(f"**/board/{STEEL}")
    assert "steel-token" not in page.evaluate("document.cookie")
    page.go_back()
    assert "steel-token" not in page.url
    page.goto(board.url + f"/board/{STEEL}")
    page.locator(".out").click()
    expect(page.get_by_label("令牌")).to_be_visible()


def test_a_wrong_token_is_answered_where_one_types(board: RunningApi, opened: Opened) -> None:
    page = opened(board, f"/board/{CITY}", token=None, language="en", quiet=False)
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("unknown")
    page.get_by_label("Token").fill(OPERATOR)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/board/{CITY}")


def test_a_page_outlives_its_server_says_so_and_goes_on_when_it_is_back(
    board: RunningApi, board_settings: Settings, opened: Opened
) -> None:
    # The same city, served by a second api that can be stopped.
    with running_api(board_settings) as first:
        port = int(first.url.rpartition(":")[2])
        page = opened(first, f"/board/{SCHOOL}", language="en", quiet=False)
        page.clock.install()
        live(page)
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 4, "an open stream held the server"
    page.clock.fast_forward(13_000)
    expect(page.get_by_text("These figures are not current.")).to_be_visible()
    board.store.write([point("month", SCHOOL, "energy.cv", TODAY_MS, 5_551_000.0)])
    with running_api(board_settings, port):
        for _ in range(40):
            page.clock.fast_forward(5_000)
            if page.locator("html[data-link=live]").count():
                break
        live(page)
        expect(page.locator(".tile-month .tile-number")).to_have_text("5,551")
        expect(page.get_by_text("These figures are not current.")).to_be_hidden()


def test_whoever_loses_his_right_while_he_looks_is_told_and_sees_nothing_new(board: RunningApi, opened: Opened) -> None:
    page = live(opened(board, f"/board/{STEEL}", token="leaver-token", language="en", quiet=False))
    (key,) = [one for one in city_documents() if one["id"] == "key-leaver-token"]
    assert board.put([key | {"spec": key["spec"] | {"revoked": True}}]).status_code == 200
    expect(page.get_by_text("You are no longer logged in.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()
