"""Sending pushes the load through the gateway, day after day; a batch is repeated until it is answered 202."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from bench.kills.load import Batch, Cast, Reading, Sender

ANSWER_S = 15.0
# So long no batch is refused when all is well; a proof in which one is has failed.
GIVE_UP_S = 180.0
BREAK_S = 0.3


class SendingError(Exception):
    """A batch was not taken: an answer that must not be, or none for too long."""


class Sending:
    """Threads that send, each for its own enterprises, at so many batches a second together."""

    def __init__(self, cast: Cast, gateway: str, token: str, seed: int, rate_per_s: float, threads: int = 4) -> None:
        self._gateway = gateway
        self._token = token
        self._pause_s = threads / rate_per_s
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._last_day = -1
        self._sent: list[Batch] = []
        self.batches = 0  # answered, those sent twice by plan too
        self.repeats = 0  # pushes that had to be repeated, since no answer or a 503 came
        self.trouble: list[str] = []
        groups = [cast.all[at::threads] for at in range(threads)]
        self._threads = [
            threading.Thread(
                target=self._run, args=([Sender(each, each in cast.orderly, seed) for each in group],), daemon=True
            )
            for group in groups
            if group
        ]

    def start(self) -> None:
        """Begin to send."""
        for each in self._threads:
            each.start()

    def finish(self, limit_s: float = 2 * GIVE_UP_S) -> list[Reading]:
        """End the day that is under way, send what is late, and return all that was taken.

        Raises SendingError when something was not taken.
        """
        self._stopping.set()
        end = time.monotonic() + limit_s
        for each in self._threads:
            each.join(max(0.0, end - time.monotonic()))
        self.check()
        if any(each.is_alive() for each in self._threads):
            raise SendingError(f"the load did not end within {limit_s} s")
        return [reading for batch in self._sent for reading in batch.readings]

    def check(self) -> None:
        """Raise SendingError when something was not taken."""
        if self.trouble:
            raise SendingError("; ".join(self.trouble))

    @property
    def days(self) -> int:
        """How many days of the load were begun."""
        return self._last_day + 1

    @property
    def readings(self) -> int:
        """How many readings were taken, those sent twice counted twice."""
        return sum(len(batch.readings) for batch in list(self._sent))

    def sent(self) -> list[Batch]:
        """Return the batches that were taken so far."""
        return list(self._sent)

    @property
    def sent_twice(self) -> int:
        """How many batches were taken once more by plan."""
        return len(self._sent) - len({batch.name for batch in list(self._sent)})

    def _begins(self, day: int) -> bool:
        with self._lock:
            if self._stopping.is_set() and day > self._last_day:
                return False
            self._last_day = max(self._last_day, day)
            return True

    def _run(self, senders: Sequence[Sender]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._gateway, headers=headers, timeout=ANSWER_S) as http:
            try:
                day = 0
                while self._begins(day):
                    self._send_all(http, _in_turn([each.day(day) for each in senders]), self._pause_s)
                    day += 1
                self._send_all(http, _in_turn([each.rest() for each in senders]), 0)
            except Exception as error:  # noqa: BLE001 -- told to whoever asks; a thread has nobody to raise to
                self.trouble.append(f"{type(error).__name__}: {error}")

    def _send_all(self, http: httpx.Client, batches: Iterator[Batch], pause_s: float) -> None:
        for batch in batches:
            began = time.monotonic()
            self._push(http, batch)
            if not self._stopping.is_set():
                self._stopping.wait(max(0.0, pause_s - (time.monotonic() - began)))

    def _push(self, http: httpx.Client, batch: Batch) -> None:
        repeats = push(http, batch, batch.body())
        with self._lock:
            self.repeats += repeats
            self.batches += 1
            self._sent.append(batch)


def push(http: httpx.Client, batch: Batch, body: Mapping[str, Any], refused: Mapping[int, str] | None = None) -> int:
    """Push a batch until it is taken, all but the readings refused by place and code; return how often it was repeated.

    Raises SendingError when the answer is another one, or none comes for too long.
    """
    end, said, repeats = time.monotonic() + GIVE_UP_S, "", 0
    while time.monotonic() < end:
        try:
            answer = http.post("/v1/readings", json=body)
        except httpx.HTTPError as error:
            said = repr(error)
        else:
            if answer.status_code == httpx.codes.ACCEPTED:
                receipt, wanted = answer.json(), dict(refused or {})
                found = {each["index"]: each["code"] for each in receipt["rejected"]}
                if found != wanted or receipt["accepted"] != len(batch.readings) - len(wanted):
                    raise SendingError(f"batch {batch.name} was not taken as it must be: {answer.text[:500]}")
                return repeats
            if answer.status_code not in (408, 503):
                raise SendingError(f"batch {batch.name}: {answer.status_code} {answer.text[:500]}")
            said = answer.text[:200]
        repeats += 1
        time.sleep(BREAK_S)
    raise SendingError(f"batch {batch.name} was not taken for {GIVE_UP_S} s: {said}")


def _in_turn(many: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """Yield from each iterator in turn until all are at their end."""
    waiting = list(many)
    while waiting:
        for each in list(waiting):
            batch = next(each, None)
            if batch is None:
                waiting.remove(each)
            else:
                yield batch
