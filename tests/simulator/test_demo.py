"""The demo as a stranger runs it: it comes alive, the README's first reading works in it, and nothing of it stays."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.simulator.demo import main

ROOT = Path(__file__).parents[2]
# A minute on an idle machine of two cores; this one may be busy with other tests.
LIVE_LIMIT_S = 240.0
END_LIMIT_S = 120.0
MARK = "QINGYU_TEST_MARK"


@dataclass(frozen=True, slots=True)
class RunningDemo:
    process: subprocess.Popen[bytes]
    folder: Path
    mark: str

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8")

    def wait(self, what: str, check: Callable[[], bool], limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while not check():
            assert self.process.poll() is None, f"the demo ended before {what}:\n{self.output[-3000:]}"
            assert time.monotonic() < deadline_s, f"no {what} after {limit_s} s:\n{self.output[-3000:]}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def demo(kafka: LocalKafka | ForeignKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    folder = tmp_path_factory.mktemp("demo")
    for name in (".venv", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "tmp").mkdir()
    mark = uuid.uuid4().hex
    environment = {**os.environ, "QINGYU_KAFKA": kafka.bootstrap, "TMPDIR": str(folder / "tmp"), MARK: mark}
    command = [sys.executable, "-u", "-m", "services.simulator.demo", "--plain"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        yield RunningDemo(process, folder, mark)
    finally:
        process.kill()
        process.wait(END_LIMIT_S)


@pytest.mark.timeout(600)
def test_the_city_is_live(demo: RunningDemo):
    figures = re.compile(r"city/bazhong: hour [\d.,-]+ kgce, today [\d.,-]+ kgce, month [\d.,-]+ tce, [\d.,-]+ tCO2")
    demo.wait("live city", lambda: figures.search(demo.output) is not None, LIVE_LIMIT_S)
    head = [line for line in demo.output.splitlines() if "sent=" in line][-1]
    for role in ("api", "gateway", "worker", "territory", "sink", "ticker", "notifier"):
        assert f"{role}=" in head
    assert "refused=0" in head


@pytest.mark.timeout(600)
def test_enterprises_of_several_kinds_show_an_intensity_against_their_limit(demo: RunningDemo):
    for said in ("2018-01: 81.7 kgce/t, above advanced 80", "2018-01: 1.39 kWh/kWh, above access 1.35"):
        demo.wait(said, lambda said=said: said in demo.output, LIVE_LIMIT_S)


@pytest.mark.timeout(600)
def test_alarms_fire_and_end_within_a_day(demo: RunningDemo):
    limit = re.compile(r"(firing|established) +clinker-limit limit enterprise/nj-cement 2018-01")
    demo.wait("limit", lambda: limit.search(demo.output) is not None, LIVE_LIMIT_S)
    ended = re.compile(r"ok +(compressor-peak enterprise/bz-chemicals|hourly-peak enterprise/bz-steel) 2018-02")
    demo.wait("end of a peak", lambda: ended.search(demo.output) is not None, LIVE_LIMIT_S)


@pytest.mark.timeout(600)
def test_an_alarm_arrives_in_the_postbox_by_mail_and_by_a_signed_webhook(demo: RunningDemo):
    demo.wait("addresses", (demo.folder / "var" / "demo.env").exists, LIVE_LIMIT_S)
    told = re.search(r"# mails and webhooks: (\S+)", (demo.folder / "var" / "demo.env").read_text())
    assert told is not None
    page = ""

    def arrived() -> bool:
        nonlocal page
        page = httpx.get(told[1]).text
        return page.count("压缩机叠加峰值") > 1 and "duty-room@bazhong.example" in page

    demo.wait("mail about the compressors", arrived, LIVE_LIMIT_S)


@pytest.mark.timeout(600)
def test_the_board_opens_by_the_address_that_is_shown(demo: RunningDemo):
    demo.wait("addresses", (demo.folder / "var" / "demo.env").exists, LIVE_LIMIT_S)
    found = re.search(r"# board: (\S+)/login#token=(\S+)", (demo.folder / "var" / "demo.env").read_text())
    assert found is not None
    with httpx.Client(base_url=found[1], follow_redirects=True, timeout=30) as browser:
        # What the login page's script does with the part behind the sign that no server sees.
        shown = browser.post("/login", data={"token": found[2], "next": "/board"})
    assert shown.status_code == 200
    assert "巴中" in shown.text or "Bazhong" in shown.text


@pytest.mark.timeout(600)
def test_the_first_reading_of_the_readme_comes_back_as_printed(demo: RunningDemo):
    demo.wait("addresses", (demo.folder / "var" / "demo.env").exists, LIVE_LIMIT_S)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = _block(text, "first reading", "sh")
    printed = [json.loads(line) for line in _block(text, "first answer", "json").splitlines()]
    done = subprocess.run(["sh", "-e", "-c", commands], cwd=demo.folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()[-2:]]
    assert said == printed


@pytest.mark.timeout(600)
def test_ctrl_c_ends_it_and_leaves_nothing(demo: RunningDemo):
    demo.wait("addresses", (demo.folder / "var" / "demo.env").exists, LIVE_LIMIT_S)
    assert len(_processes(demo.mark)) > 5
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(END_LIMIT_S) == 0, demo.output[-3000:]
    assert _processes(demo.mark) == []
    assert not (demo.folder / "var" / "demo.env").exists()
    assert list((demo.folder / "tmp").iterdir()) == []


def test_without_java_it_says_so_in_one_line(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if name != "QINGYU_KAFKA"}
    done = _run({**environment, "PATH": str(tmp_path)})
    assert done.returncode == 1
    assert re.fullmatch(r"error: java .*apt-get install .*\n", done.stderr)


@pytest.mark.parametrize("option", [("--rate", "0"), ("--start", "2030-01-01"), ("--start", "yesterday"), ("--loud",)])
def test_a_wrong_option_ends_with_status_2(option: tuple[str, ...]):
    with pytest.raises(SystemExit) as ended:
        main(option)
    assert ended.value.code == 2


def _run(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.simulator.demo", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


def _block(text: str, name: str, language: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def _processes(mark: str) -> list[str]:
    """The processes that carry the mark in their environment, as only the demo and its children do."""
    listed = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, timeout=30)
    return [line[:120] for line in listed.stdout.splitlines() if f"{MARK}={mark}" in line]
