"""`make verify-board` opens the board on a running demo and shows that it is quick, quiet, and does not grow.

Pages of a city, an enterprise and a meter stay open for some hundred hours of the demo's time. Every few seconds their
memory is measured after a forced garbage collection, with their nodes and listeners, and that of the server that feeds
them. First paints, console messages and requests to other hosts are counted, and pictures are taken into
docs/pictures/board. Result: bench/results/board.json; exit status 1 when anything grows, is slow or is said.
"""

import argparse
import base64
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from bench.outcome import circumstances, write
from services.clock import Clock
from tests.running import until

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures" / "board"
ADDRESSES = ROOT / "var" / "demo.env"
START_LIMIT_S = 600.0
LIVE_LIMIT_S = 60.0
SAMPLE_S = 15.0
# Until then code is compiled and caches fill.
WARM_S = 60.0
PAINTS = 5
PAINT_LIMIT_MS = 1000.0
# How far the least of the last third of the samples may lie above that of the first.
GROWTH = {"heap_bytes": 300_000, "nodes": 200, "listeners": 20, "elements": 50, "server_rss_bytes": 20_000_000}
PAGES = {
    "city": "/board/city/bazhong",
    "enterprise": "/board/enterprise/bz-steel",
    "meter": "/board/meter/bz-steel.e01",
}
SIZES = {"3840": (3840, 2160), "1280": (1280, 800), "390": (390, 844)}
LOOKS = (("zh", "dark"), ("en", "light"), ("zh", "light"), ("en", "dark"))
QUALITY = 60
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


class Demo:
    """The demo that is looked at: its addresses, and what its clock says."""

    def __init__(self, text: str) -> None:
        found = dict(re.findall(r"export (\w+)='?([^'\n]*)", text))
        self.api, self.token, self.clock = found["QINGYU_API"], found["QINGYU_TOKEN"], found["QINGYU_CLOCK"]

    def now_ms(self) -> int:
        """Return the demo's time [epoch ms]."""
        return Clock.parse(self.clock).now_ms()

    def figures(self) -> dict[str, float]:
        """Return the server's memory [bytes] and how many watch."""
        text = httpx.get(f"{self.api}/metrics", timeout=10).text
        names = {"process_resident_memory_bytes": "server_rss_bytes", "qingyu_board_watchers": "watchers"}
        return {
            names[line.split()[0]]: float(line.split()[1])
            for line in text.splitlines()
            if line.partition(" ")[0] in names
        }


@contextmanager
def demo(minutes: float, running: bool) -> Iterator[Demo]:
    """Give the demo that runs in this folder, or start one for so long [min]."""
    if running:
        yield Demo(ADDRESSES.read_text(encoding="utf-8"))
        return
    ADDRESSES.unlink(missing_ok=True)
    command = [sys.executable, "-m", "services.simulator.demo", "--plain", "--minutes", str(minutes)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until(lambda: ADDRESSES.exists() or process.poll() is not None, START_LIMIT_S, "the demo's start", 1)
        if process.poll() is not None:
            raise SystemExit(f"error: the demo ended with status {process.returncode}")
        found = Demo(ADDRESSES.read_text(encoding="utf-8"))
        yield found
    finally:
        process.terminate()
        process.wait(60)


class Look:
    """A browser on a demo; keeps what pages say and whom they ask."""

    def __init__(self, browser: Browser, at: Demo) -> None:
        self._browser = browser
        self.demo = at
        self.said: list[str] = []
        self.foreign: list[str] = []

    def context(self, size: tuple[int, int], language: str, theme: str) -> BrowserContext:
        """Return a fresh profile that is logged in."""
        context = self._browser.new_context(viewport={"width": size[0], "height": size[1]})
        cookies = {"qingyu_token": self.demo.token, "qingyu_language": language, "qingyu_theme": theme}
        context.add_cookies([{"name": name, "value": value, "url": self.demo.api} for name, value in cookies.items()])
        return context

    def open(self, context: BrowserContext, path: str) -> Page:
        """Return a page once its stream stands."""
        page = context.new_page()
        page.on("console", lambda message: self.said.append(f"{path}: {message.type} {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"{path}: {error}"))
        page.on("request", self._asked)
        page.goto(self.demo.api + path)
        if path.count("/") == 3:
            page.wait_for_selector("html[data-link=live]", timeout=LIVE_LIMIT_S * 1000)
        return page

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self.demo.api):
            self.foreign.append(request.url)


def first_paints(look: Look) -> dict[str, float]:
    """Return the median first contentful paint of each page [ms]."""
    found: dict[str, float] = {}
    for name, path in PAGES.items():
        times_ms: list[float] = []
        for _ in range(PAINTS):
            context = look.context(SIZES["1280"], "zh", "light")
            page = look.open(context, path)
            page.wait_for_function(FIRST_PAINT)
            times_ms.append(page.evaluate(FIRST_PAINT))
            context.close()
        found[name] = round(statistics.median(times_ms), 1)
    return found


def pictures(look: Look) -> list[str]:
    """Take the pictures that the documents show; return their names."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []
    for size_name, size in SIZES.items():
        for language, theme in LOOKS:
            # The city in every look, the others in two: pictures are large.
            names = list(PAGES) if (language, theme) in LOOKS[:2] else ["city"]
            context = look.context(size, language, theme)
            for name in names:
                page = look.open(context, PAGES[name])
                page.wait_for_timeout(1500)
                taken.append(_picture(page, f"{name}-{size_name}-{language}-{theme}", whole=size[0] < 3840))
                page.close()
            context.close()
    context = look.context(SIZES["1280"], "zh", "light")
    context.clear_cookies(name="qingyu_token")
    taken.append(_picture(look.open(context, "/login"), "login-1280-zh-light", whole=False))
    context.close()
    return taken


def _picture(page: Page, name: str, *, whole: bool) -> str:
    width = page.evaluate("innerWidth")
    height = page.evaluate("document.documentElement.scrollHeight" if whole else "innerHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    wanted = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
    data = page.context.new_cdp_session(page).send("Page.captureScreenshot", wanted)["data"]
    path = PICTURES / f"{name}.webp"
    path.write_bytes(base64.b64decode(data))
    return path.name


def sample(look: Look, page: Page, session: CDPSession) -> dict[str, float]:
    """Return a page's memory after a garbage collection, and how many nodes and listeners it has."""
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return {
        "heap_bytes": metrics["JSHeapUsedSize"],
        "nodes": metrics["Nodes"],
        "listeners": metrics["JSEventListeners"],
        "elements": page.evaluate("document.querySelectorAll('*').length"),
        "requests": page.evaluate("performance.getEntriesByType('resource').length"),
        **look.demo.figures(),
    }


def watch(look: Look, seconds: float) -> dict[str, list[dict[str, float]]]:
    """Keep the pages open and return their samples, each with the demo's time [h] since the first."""
    context = look.context(SIZES["1280"], "zh", "dark")
    pages = {name: look.open(context, path) for name, path in PAGES.items()}
    sessions = {name: context.new_cdp_session(page) for name, page in pages.items()}
    for session in sessions.values():
        session.send("Performance.enable")
        session.send("HeapProfiler.enable")
    pages["city"].wait_for_timeout(WARM_S * 1000)
    begun_s, begun_ms = time.monotonic(), look.demo.now_ms()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in PAGES}
    while time.monotonic() - begun_s < seconds:
        for name, page in pages.items():
            hours = (look.demo.now_ms() - begun_ms) / 3_600_000
            found[name].append({"demo_hours": round(hours, 1), **sample(look, page, sessions[name])})
        last = found["city"][-1]
        print(
            f"{last['demo_hours']:7.1f} demo hours: heap {last['heap_bytes'] / 1e6:.2f} MB, nodes {last['nodes']:.0f}"
        )
        pages["city"].wait_for_timeout(SAMPLE_S * 1000)
    context.close()
    return found


def growth(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return by figure how much the least of the last third lies above the least of the first.

    What a page holds comes and goes with alarms and gaps; what leaks raises the least that it ever holds.
    """
    third = max(len(samples) // 3, 1)
    return {
        name: min(one[name] for one in samples[-third:]) - min(one[name] for one in samples[:third]) for name in GROWTH
    }


def main(arguments: Sequence[str]) -> int:
    """Look, measure, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify_board", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the pages stay open (%(default)s)")
    parser.add_argument("--running", action="store_true", help="look at the demo that runs in this folder")
    parser.add_argument("--no-pictures", action="store_true", help="leave docs/pictures/board as it is")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium")
    if chromium is None:
        print("error: chromium is not on PATH; Debian: apt-get install chromium", file=sys.stderr)
        return 2
    with demo(options.minutes + 30, options.running) as at, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        look = Look(browser, at)
        page = look.open(look.context(SIZES["1280"], "zh", "light"), PAGES["city"])
        # A demo has to be warm, with some days behind it, before it is worth a picture.
        page.wait_for_selector(".trend strong", timeout=START_LIMIT_S * 1000)
        page.context.close()
        paints = first_paints(look)
        print(f"first paint, median of {PAINTS} [ms]: {paints}")
        taken = [] if options.no_pictures else pictures(look)
        samples = watch(look, options.minutes * 60)
        browser.close()
    grown = {name: growth(several) for name, several in samples.items()}
    faults = [f"{name}: first paint after {ms} ms" for name, ms in paints.items() if ms >= PAINT_LIMIT_MS]
    faults += [
        f"{name}: {figure} grew by {more:g}"
        for name, figures in grown.items()
        for figure, more in figures.items()
        if more > GROWTH[figure]
    ]
    faults += [f"said {one}" for one in look.said] + [f"asked {one}" for one in look.foreign]
    result = {
        **circumstances(),
        "demo_hours": samples["city"][-1]["demo_hours"],
        "first_paint_ms": paints,
        "growth_of_last_over_first_third": grown,
        "allowed_growth": GROWTH,
        "console_messages": look.said,
        "requests_to_other_hosts": look.foreign,
        "faults": faults,
        "samples": samples,
    }
    file = write("board", result)
    size_mb = sum(path.stat().st_size for path in PICTURES.glob("*.webp")) / 1e6 if PICTURES.is_dir() else 0.0
    print(f"{len(taken)} pictures, {size_mb:.1f} MB in all; {file.relative_to(ROOT)}")
    print("\n".join(faults) or "nothing grew, nothing was said, nobody else was asked")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
