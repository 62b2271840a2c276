"""The notifier killed at its failpoints: nothing is forgotten, and whatever is repeated carries the same key."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.simulator.mail_server import MailServer
from tests.notifier.conftest import (
    SECRETS,
    Mailbox,
    Receiver,
    document,
    event,
    hook,
    key_of_event,
    records,
    say,
    settings_of,
    start_house,
    until,
)

# What a notifier imports takes seconds, so one process imports it and forks a notifier for each line that it reads: the
# failpoint. It answers with the notifier's process id, and with its exit status when it has ended.
NURSERY = """
import importlib, os, sys
import streams.failpoints
from schemas.settings import Settings
from services.notifier.main import serve
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        os.environ["QINGYU_FAILPOINT"] = line.strip()
        importlib.reload(streams.failpoints)
        serve(Settings())
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
# Before the send, between send and answer, between the answer and the record, and behind the record.
FAILPOINTS = ("notifier.taken@2", "notifier.after-send@2", "notifier.after-answer@2", "notifier.after-record@3")
ADDRESS = "killed@city.example"


Started = tuple[int, Callable[[], int]]


@contextmanager
def nursery(environment: dict[str, str], log: IO[bytes]) -> Iterator[Callable[[str], Started]]:
    """Yield what starts a notifier with a failpoint, and returns its process id and what waits for its exit status."""
    command = [sys.executable, "-c", NURSERY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def start(failpoint: str) -> Started:
            asked.write(failpoint + "\n")
            asked.flush()
            return int(answers.readline()), lambda: int(answers.readline())

        try:
            yield start
        finally:
            asked.close()


@pytest.mark.timeout(600)
def test_whatever_is_killed_everything_is_told_and_repeats_carry_the_same_key(
    kafka: LocalKafka | ForeignKafka, receiver: Receiver, tmp_path: Path
) -> None:
    mailbox = Mailbox()
    documents = hook(receiver, "killed")
    documents += [
        document("recipient", "reader", {"channels": {"mail": {"address": ADDRESS}}}),
        document("route", "all", {"recipients": ["reader"]}),
    ]
    events = [
        event("killed", seq, condition, start=f"2026-{month:02}")
        for month in range(1, 6)
        for seq, condition in ((1, "firing"), (2, "ok"))
    ]
    expected = {key_of_event(one) for one in events}
    with MailServer(mailbox) as server, (tmp_path / "notifier.log").open("ab") as log:
        settings = settings_of(kafka, server.port, tmp_path)
        start_house(settings, receiver, mailbox, server, documents)
        environment = {**os.environ, **SECRETS}
        environment |= {f"QINGYU_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value}
        environment["QINGYU_METRICS_PORT"] = "0"

        with nursery(environment, log) as start:
            for failpoint in FAILPOINTS:
                # Some of the events come while nobody is there to tell of them.
                say(settings, *events[:2])
                del events[:2]
                _, ended = start(failpoint)
                assert ended() == -signal.SIGKILL, (tmp_path / "notifier.log").read_text()
            say(settings, *events)
            process, ended = start("")
            try:
                until(lambda: set(receiver.keys("killed")) == expected, "every webhook")
                until(lambda: {str(mail["Idempotency-Key"]) for mail in mailbox.mails} == expected, "every mail")
                until(lambda: len(records(settings)) >= 2 * len(expected), "every record", every_s=0.2)
            finally:
                os.kill(process, signal.SIGTERM)
            assert ended() == 0

    # A kill can come between answer and record of one message of each of the two lanes.
    hooks = Counter(receiver.keys("killed"))
    mails = Counter((str(mail["Idempotency-Key"]), str(mail["Message-ID"])) for mail in mailbox.mails)
    assert 1 <= hooks.total() + mails.total() - 2 * len(expected) <= 2 * len(FAILPOINTS)
    assert len(mails) == len(expected), "a repeated mail has the same Message-ID"
    for alarm in {key.partition("|")[0] for key in expected}:
        first = list(dict.fromkeys(key for key in receiver.keys("killed") if key.startswith(alarm)))
        assert first == [f"{alarm}|1", f"{alarm}|2"]
