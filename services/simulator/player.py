"""The player sends what the city's meters have to say through the gateway, as the demo's clock reaches it.

Each source sends batches of its own over HTTP, and repeats one until it is answered: the same reading counts once.
"""

import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import httpx

from services.clock import Clock
from services.simulator.channel import Channel
from services.simulator.outputs import Output

BATCH_READINGS = 2000
EVERY_S = 0.5
ANSWER_S = 30.0


class Player:
    """Plays channels and outputs in a thread of its own; `sent` and `refused` count readings, `trouble` is the last."""

    def __init__(
        self,
        channels: Sequence[Channel],
        outputs: Sequence[Output],
        clock: Clock,
        gateway: str,
        token: str,
        from_ms: int,
    ) -> None:
        """Take what is to be played from an instant on [epoch ms]; `gateway` is its address."""
        self._channels = sorted(channels, key=lambda channel: (channel.source, channel.meter))
        self._outputs = outputs
        self._clock = clock
        self._http = httpx.Client(
            base_url=gateway, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(ANSWER_S)
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self.played_ms = from_ms
        self.caught_up = threading.Event()
        self.sent = 0
        self.refused = 0
        self.trouble = ""

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the batch under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_S)
        self._http.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            now_ms = self._clock.now_ms()
            for path, body in self._due(self.played_ms, now_ms):
                if not self._push(path, body):
                    return
            self.played_ms = now_ms
            self.caught_up.set()
            self._stopping.wait(EVERY_S)

    def _due(self, after_ms: int, until_ms: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what can be sent from after one instant until another [epoch ms]: the path and the body."""
        # Reported first, so that the intensity of a month that is played at once is there with its energy.
        values = [
            {
                "entity": f"enterprise/{output.enterprise}",
                "metric": f"output.{output.product}",
                "period": output.period,
                "value": output.value,
                "unit": output.unit,
            }
            for output in self._outputs
            if after_ms < output.reported_ms <= until_ms
        ]
        if values:
            yield "/v1/reported", {"values": values}
        for source, channels in groupby(self._channels, key=lambda channel: channel.source):
            rows = [
                {"meter": channel.meter, "ts": stamp_ms, "value": value}
                for channel in channels
                for stamp_ms, value in channel.between(after_ms, until_ms)
            ]
            # All meters of a day together: the worker then computes a day of history once.
            rows.sort(key=itemgetter("ts"))
            for first in range(0, len(rows), BATCH_READINGS):
                batch = f"{source}-{until_ms}-{first}"
                part = rows[first : first + BATCH_READINGS]
                yield "/v1/readings", {"source": source, "batch": batch, "readings": part}

    def _push(self, path: str, body: dict[str, Any]) -> bool:
        """Send a body until it is answered; return False when the player was stopped before."""
        wait_s = 0.2
        while not self._stopping.is_set():
            try:
                answer = self._http.post(path, json=body)
            except httpx.HTTPError as error:
                self.trouble = f"the gateway did not answer: {error or type(error).__name__}"
            else:
                if answer.status_code == httpx.codes.ACCEPTED:
                    receipt = answer.json()
                    self.sent += receipt["accepted"]
                    self.refused += len(receipt["rejected"])
                    self.trouble = str(receipt["rejected"][0]["message"]) if receipt["rejected"] else ""
                    return True
                self.trouble = f"the gateway answered {answer.status_code}: {answer.text[:200]}"
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, 2.0)
        return False
