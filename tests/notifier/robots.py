"""Local servers that behave as the robots of DingTalk, WeCom and Feishu do: always 200, and a code in the body."""

import base64
import hashlib
import hmac
import http.server
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.local_http import LocalHttp

TOKEN = "token-of-the-robot"
KEY = "SECkey-of-the-robot"


class Robots(LocalHttp):
    """Serves all three while it is entered; `said` is what was said in the group, `mute` gives the code of too much."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked = 0
        self.mute = False
        super().__init__(_handler(self))

    def dingtalk(self, asked: dict[str, list[str]], size: int, body: dict[str, Any]) -> dict[str, Any]:
        if asked["access_token"] != [TOKEN]:
            return {"errcode": 300001, "errmsg": "token is not exist"}
        timestamp = asked.get("timestamp", ["0"])[0]
        sign = base64.b64encode(hmac.digest(KEY.encode(), f"{timestamp}\n{KEY}".encode(), hashlib.sha256)).decode()
        if asked.get("sign") != [sign] or abs(time.time() * 1000 - int(timestamp)) > 3_600_000:
            return {"errcode": 310000, "errmsg": "sign not match, more: [https://ding-doc.example]"}
        if self.mute:
            return {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}
        if size > 20_000:
            return {"errcode": 40035, "errmsg": "message too long"}
        self.said.append(body["text"]["content"])
        return {"errcode": 0, "errmsg": "ok"}

    def wecom(self, asked: dict[str, list[str]], body: dict[str, Any]) -> dict[str, Any]:
        if asked["key"] != [TOKEN]:
            return {"errcode": 93000, "errmsg": f"invalid webhook url, hint: {asked['key'][0]}"}
        if self.mute:
            return {"errcode": 45009, "errmsg": "api freq out of limit"}
        limit, content = {"text": 2048, "markdown": 4096}[body["msgtype"]], body[body["msgtype"]]["content"]
        if len(content.encode()) > limit:
            return {"errcode": 40058, "errmsg": f"content exceed max length {limit}"}
        self.said.append(content)
        return {"errcode": 0, "errmsg": "ok"}

    def feishu(self, path: str, size: int, body: dict[str, Any]) -> dict[str, Any]:
        if path.rpartition("/")[2] != TOKEN:
            return {"code": 19001, "msg": "param invalid: incoming webhook access token invalid", "data": {}}
        sign = base64.b64encode(hmac.digest(f"{body.get('timestamp')}\n{KEY}".encode(), b"", hashlib.sha256)).decode()
        if body.get("sign") != sign or abs(time.time() - int(body["timestamp"])) > 3600:
            return {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}
        if self.mute:
            return {"code": 11232, "msg": "frequency limited"}
        if size > 20 * 1024:
            return {"code": 9499, "msg": "Bad Request"}
        self.said.append(body["content"]["text"])
        return {"code": 0, "msg": "success", "data": {}}


def _handler(robots: Robots) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            place, body = urlsplit(self.path), json.loads(raw)
            asked = parse_qs(place.query)
            robots.asked += 1
            status = 200
            if place.path == "/robot/send":
                answer = robots.dingtalk(asked, len(raw), body)
            elif place.path == "/cgi-bin/webhook/send":
                answer = robots.wecom(asked, body)
            else:
                answer = robots.feishu(place.path, len(raw), body)
                # This one tells of too much by the status too.
                status = 400 if robots.mute else 200
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
