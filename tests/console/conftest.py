"""One city on a real Kafka with one api for the whole folder, and one real browser."""

import datetime as dt
import shutil
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deploy.local.kafka import ForeignKafka, LocalKafka
from schemas.settings import Settings
from services.topics import apply_topics
from tests.api_server import RunningApi, api_settings, running_api
from tests.console.city import NOW_MS, fill

OPERATOR_COOKIE = "operator-token-of-this-test"


@pytest.fixture(scope="session")
def board_settings(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    start = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC).isoformat()
    # The clock is started a day ahead, so it stands still: what is shown then does not depend on the test's speed.
    ahead = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    found = api_settings(
        kafka.bootstrap,
        f"t{uuid.uuid4().hex[:8]}.",
        tmp_path_factory.mktemp("board"),
        clock=f"{start}@1@{ahead}",
    )
    apply_topics(found)
    return found


@pytest.fixture(scope="session")
def board(board_settings: Settings) -> Iterator[RunningApi]:
    """An api with the city; tests put into the store what they look for under names of their own."""
    with running_api(board_settings) as api:
        fill(api)
        yield api


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop running in this thread, which tests after it must not meet.
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "chromium is not on PATH; Debian: apt-get install chromium"
    quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-sync", "--disable-dev-shm-usage", *quiet]
        )
        yield found
        found.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Open a page of an api as somebody; it must say nothing on its console and ask no other host for anything."""
    contexts = []
    said: list[str] = []

    def open_page(
        api: RunningApi,
        path: str,
        *,
        token: str | None = OPERATOR_COOKIE,
        language: str = "zh",
        theme: str = "light",
        size: tuple[int, int] = (1280, 800),
        quiet: bool = True,
    ) -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
        contexts.append(context)
        cookies = {"qingyu_token": token, "qingyu_language": language, "qingyu_theme": theme}
        context.add_cookies(
            [{"name": name, "value": value, "url": api.url} for name, value in cookies.items() if value]
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda asked: None if asked.url.startswith(api.url) else said.append(f"asked {asked.url}"))
        if quiet:
            page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
            page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.goto(api.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
