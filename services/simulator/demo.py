"""The demo: a city that lives on a fast clock, started by one command and gone when it ends.

`python -m services.simulator.demo --help` lists the options; `make demo` runs it without any.
"""

import argparse
import contextlib
import datetime as dt
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local import influxd, jars
from deploy.local.cache import LocalServerError
from schemas.windows import date_ms, local_datetime
from services.clock import Clock
from services.simulator.channel import FIRST_MS, LAST_MS, Channel
from services.simulator.city import ROOT, city_channels, city_folder
from services.simulator.outputs import outputs
from services.simulator.overview import Overview, OverviewReader
from services.simulator.player import Player
from services.simulator.screen import Footer, plain_lines, save_picture, screen
from services.simulator.stack import INFLUX, ROLES, STORES, Stack, StackError, running_stack
from services.simulator.waiting import wait_until
from services.topics import TopicsError

# The month before is history, with its output reported, so that an intensity is there from the beginning.
START = dt.date(2018, 2, 2)
HOURS_PER_S = 1.0
LIVE_LIMIT_S = 240.0
REFRESH_S = 1.5
# What the screen shows costs queries: it rests so many times as long as they took.
READING_REST = 4.0
PLAIN_EVERY_S = 3.0
# Where the demo says how to reach it, while it runs.
ADDRESSES = Path("var") / "demo.env"

_Show = Callable[[Overview | None, Footer], None]


class Demo:
    """One run: the stack, the player, and what is shown."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self._started_s = time.monotonic()

    def run(self) -> int:
        """Run until the time is over or someone stops it; return the exit status."""
        with contextlib.ExitStack() as stack:
            self._fetch_servers()
            folder = stack.enter_context(_folder(self._options.keep, self._say))
            # The year is read and simulated while the servers start.
            channels_to_be = stack.enter_context(ThreadPoolExecutor(1, "channels")).submit(city_channels)
            running = stack.enter_context(
                running_stack(
                    folder,
                    date_ms(self._options.start),
                    self._options.rate * 3600,
                    self._say_starting,
                    self._options.store,
                )
            )
            # Time begins to pass for the worker once the past is played: it need not make up what is just coming; and
            # nobody is told of the past.
            *early, ticker, notifier = ROLES
            self._say_starting("processes")
            running.start(*early)
            running.wait_ready("api")
            self._say_starting("the city's registry")
            running.command("apply", str(city_folder()), str(_notifications(running, folder)))
            running.wait_ready(*early)
            stack.enter_context(_addresses(running))
            channels, clock = channels_to_be.result(), Clock.parse(running.settings.clock)
            player = Player(channels, list(outputs(channels)), clock, running.gateway, running.token, FIRST_MS)
            stack.callback(player.stop)
            self._play_history(player, channels, clock.now_ms())
            running.start(ticker, notifier)
            running.wait_ready(ticker, notifier)
            reader = OverviewReader(running.api, running.token, ROOT)
            stack.callback(reader.close)
            return self._show(running, player, reader)

    def _fetch_servers(self) -> None:
        """Build InfluxDB and fetch the broker's jars where they are wanted and not cached; not for named servers."""
        if self._options.store == INFLUX and "://" not in os.environ.get("QINGYU_INFLUX", ""):
            influxd.fetch(self._say)
        if os.environ.get("QINGYU_KAFKA"):
            return
        jars.check()
        if not jars.jar_directory().is_dir():
            self._say("Maven fetches the broker's jars, about 60 MB, once ..")
            with self._bar("jars"):
                jars.fetch()

    def _play_history(self, player: Player, channels: Sequence[Channel], now_ms: int) -> None:
        """Play all that lies before the present; raise StackError when the gateway does not take it."""
        count = sum(len(channel.between(FIRST_MS, now_ms)) for channel in channels)
        self._say_starting(f"{count:,} readings of history")
        player.start()
        with self._bar("readings", count) as advance_to:

            def played() -> bool:
                advance_to(player.sent)
                return player.caught_up.is_set()

            if not wait_until(played, LIVE_LIMIT_S):
                raise StackError(f"the history could not be played: {player.trouble or 'the gateway is too slow'}")

    def _show(self, running: Stack, player: Player, reader: OverviewReader) -> int:
        """Show the city until the time or the data are over; with --once, until it is live. Return the exit status."""
        clock = Clock.parse(running.settings.clock)
        hint = f"board {board_address(running)}\nmails {_mails(running)}/  settings: . {ADDRESSES}  Ctrl-C ends it"
        end_s = float("inf") if self._options.seconds is None else self._started_s + self._options.seconds
        give_up_s = time.monotonic() + LIVE_LIMIT_S
        live_s: float | None = None
        with self._output() as show:
            while (now_ms := clock.now_ms()) < LAST_MS:
                asked_s = time.monotonic()
                healths = running.healths()
                # A worker that still takes the past in is not ready, though the first enterprises have figures; asking
                # for them would only take the time that it needs.
                ready = all(one.state == "ready" for one in healths)
                overview, trouble = _read(reader) if ready or live_s is not None else (None, "")
                rest_s = max(REFRESH_S, READING_REST * (time.monotonic() - asked_s))
                if live_s is None and overview is not None and overview.live(now_ms):
                    live_s = time.monotonic() - self._started_s
                    if self._options.open or (self._options.open is None and _has_desktop()):
                        # In a thread, since some browsers hold the one who opens them.
                        threading.Thread(target=webbrowser.open, args=(board_address(running),), daemon=True).start()
                footer = Footer(now_ms, healths, player.sent, player.refused, trouble or player.trouble, hint)
                show(overview, footer)
                if live_s is None and time.monotonic() > give_up_s:
                    ailing = "; ".join(f"{one.name} is {one.state}" for one in healths if one.state != "ready")
                    said = (
                        f"the city has no figures after {LIVE_LIMIT_S:.0f} s: {ailing or trouble or 'it is too slow'}"
                    )
                    raise StackError(f"{said}; the logs are in {running.logs}")
                if live_s is not None and (self._options.once or time.monotonic() >= end_s):
                    if self._options.picture is not None:
                        save_picture(overview, footer, self._options.picture)
                    break
                time.sleep(rest_s)
        if live_s is not None:
            self._say(f"live after {live_s:.1f} s; {player.sent:,} readings played")
        return 0

    @contextlib.contextmanager
    def _bar(self, name: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        """Show a bar in a terminal and give what moves it; without a total it only says that something goes on."""
        columns = (TextColumn("        {task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            task = bar.add_task(name, total=total)
            yield lambda completed: bar.update(task, completed=completed)

    @contextlib.contextmanager
    def _output(self) -> Iterator[_Show]:
        if self._console.is_terminal and not self._options.plain:
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                yield lambda overview, footer: live.update(
                    screen(overview, footer, self._console.size.height), refresh=True
                )
        else:
            said_s = float("-inf")

            def show(overview: Overview | None, footer: Footer) -> None:
                nonlocal said_s
                if time.monotonic() - said_s >= PLAIN_EVERY_S or (overview is not None and self._options.once):
                    said_s = time.monotonic()
                    for line in plain_lines(overview, footer):
                        self._say(line)

            yield show

    def _say_starting(self, what: str) -> None:
        self._say(f"{time.monotonic() - self._started_s:5.1f} s  {what}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _has_desktop() -> bool:
    """Tell whether somebody sits here who can see a browser's window."""
    seen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return seen and sys.stdout.isatty() and not os.environ.get("CI")


def _read(reader: OverviewReader) -> tuple[Overview | None, str]:
    try:
        return reader.read(), ""
    except (httpx.HTTPError, KeyError) as error:
        return None, f"the api did not answer: {error or type(error).__name__}"


@contextlib.contextmanager
def _folder(keep: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """Give a folder for data and logs; it is taken away again unless it is to be kept or something failed."""
    folder = Path(tempfile.mkdtemp(prefix="qingyu-demo-"))
    kept = keep
    try:
        yield folder
    except (StackError, LocalServerError, TopicsError):
        # The message names a log in it.
        kept = True
        raise
    finally:
        if kept:
            say(f"data and logs are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def board_address(running: Stack) -> str:
    """Return an address that opens the board: the token stands behind the `#`, which no server ever sees."""
    return f"{running.api}/login#token={running.token}"


def _mails(running: Stack) -> str:
    return running.postbox.address if running.postbox else ""


def _notifications(running: Stack, folder: Path) -> Path:
    """Write who is told of what into a folder, with the address of the running postbox, and return the file."""
    text = (files("services.simulator") / "notifications.yaml").read_text(encoding="utf-8")
    file = folder / "notifications.yaml"
    file.write_text(text.replace("http://127.0.0.1:8025", _mails(running)), encoding="utf-8")
    return file


@contextlib.contextmanager
def _addresses(running: Stack) -> Iterator[None]:
    """Write, for as long as the demo runs, a file that a shell can read: addresses, settings, an operator's token."""
    # What a process listens on or sends by is its own.
    own = ("OPERATOR_TOKEN", "SECRET_", "SMTP_", "NOTIFY_", "PUBLIC", "API_PORT", "GATEWAY_PORT", "TICK_S")
    own = tuple(f"QINGYU_{name}" for name in own)
    known = {name: value for name, value in running.environment.items() if not name.startswith(own)}
    text = f"# board: {board_address(running)}\n# mails and webhooks: {_mails(running)}/\n"
    text += "".join(f"export {name}={shlex.quote(value)}\n" for name, value in known.items())
    ADDRESSES.parent.mkdir(exist_ok=True)
    ADDRESSES.touch(mode=0o600)
    ADDRESSES.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        # Another demo may have written its own since.
        if ADDRESSES.exists() and ADDRESSES.read_text(encoding="utf-8") == text:
            ADDRESSES.unlink()


def _stop(number: int, _: FrameType | None) -> NoReturn:
    # A second signal must not cut the clean-up short.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0 if number == signal.SIGINT else 128 + number)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.simulator.demo", description=__doc__)
    parser.add_argument("--start", type=_day, default=START, help="day the demo's clock starts at (%(default)s)")
    parser.add_argument(
        "--rate", type=_rate, default=HOURS_PER_S, help="hours of the demo's time a second (%(default)s)"
    )
    parser.add_argument("--store", choices=STORES, default=STORES[0], help="where the series are kept (%(default)s)")
    parser.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        help="open the board in a browser once it is live (where there is a desktop)",
    )
    parser.add_argument("--seconds", type=float, help="end so long after the start, once the city has figures")
    parser.add_argument("--minutes", type=float, help="the same in minutes")
    parser.add_argument("--once", action="store_true", help="end as soon as the city has figures")
    parser.add_argument("--plain", action="store_true", help="plain lines also in a terminal")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="at the end, save the screen as SVG")
    parser.add_argument("--keep", action="store_true", help="keep the data and the logs")
    options = parser.parse_args(arguments)
    if options.minutes is not None:
        options.seconds = options.minutes * 60
    return options


def _day(text: str) -> dt.date:
    day = dt.date.fromisoformat(text)
    if not FIRST_MS <= date_ms(day) < LAST_MS:
        said = f"{local_datetime(FIRST_MS):%Y-%m-%d} to {local_datetime(LAST_MS - 1):%Y-%m-%d}"
        raise argparse.ArgumentTypeError(f"{text} is outside the data, {said}")
    return day


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 24:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 24 hours a second")
    return rate


def main(arguments: Sequence[str]) -> int:
    """Run the demo; exit status 0 done or stopped by Ctrl-C, 1 it could not start, 2 wrong use."""
    options = _options(arguments)
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return Demo(options, Console()).run()
    except (StackError, LocalServerError, TopicsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
