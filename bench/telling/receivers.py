"""The receivers of the proof: webhooks, one of them unsteady, and a robot that listens no longer once it is overrun."""

import http.server
import json
import random
import re
import threading
from collections import defaultdict
from typing import Any

from bench.telling.audience import CHAT
from schemas.reference.rates import rates
from services.notifier.timer import RealTimer
from tests.local_http import LocalHttp

UNSTEADY = "/unsteady"
# Every fifth call of it is answered by 503: by half of those it has the message all the same.
_FAILING, _KEPT = 0.2, 0.5
_KEY = re.compile(r"^((?:digest\|)?[0-9a-f]{20}(?:\|\d+)?)\s*$", re.MULTILINE)


class Receivers(LocalHttp):
    """Serve while entered; `told` are, by recipient, the keys of messages in the order in which they came.

    `listed` are the keys of events that webhooks were told in digests, by the digest's key.
    """

    def __init__(self, seed: int) -> None:
        self.told: dict[str, list[str]] = defaultdict(list)
        self.listed: dict[str, list[str]] = {}
        self.failed = self.kept = 0
        self.robot_overrun = 0
        self.robot_most = 0
        self._robot_ms: list[int] = []
        self._mute_until_ms = 0
        self._rate = rates().robots["dingtalk"]
        self._timer = RealTimer()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        super().__init__(_handler(self))

    def take(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a call; return status and answer."""
        with self._lock:
            if path.startswith("/robot/send"):
                return 200, self._say(body["text"]["content"])
            if path == UNSTEADY and self._chance.random() < _FAILING:
                self.failed += 1
                if self._chance.random() < _KEPT:
                    self.kept += 1
                    self._note(path.strip("/"), body)
                return 503, {}
            self._note(path.strip("/"), body)
            return 200, {}

    def _note(self, recipient: str, body: dict[str, Any]) -> None:
        self.told[recipient].append(body["key"])
        if "keys" in body:
            self.listed[body["key"]] = body["keys"]

    def _say(self, text: str) -> dict[str, Any]:
        now_ms, limit = self._timer.now_ms(), self._rate.limits[0]
        lately = sum(1 for at_ms in self._robot_ms if at_ms > now_ms - limit.seconds * 1000)
        if now_ms < self._mute_until_ms or lately >= limit.messages:
            self.robot_overrun += 1
            self._mute_until_ms = now_ms + self._rate.blocked_seconds * 1000
            return {"errcode": 130101, "errmsg": "send too fast"}
        self._robot_ms.append(now_ms)
        self.robot_most = max(self.robot_most, lately + 1)
        found = _KEY.findall(text)
        self.told[CHAT].append(found[-1] if found else f"no key in: {text}")
        return {"errcode": 0, "errmsg": "ok"}


def _handler(receivers: Receivers) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = receivers.take(self.path, body)
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
