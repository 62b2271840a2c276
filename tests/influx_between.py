"""A stand-in between a store and a real InfluxDB: it passes everything on, but for the writes that a test spoils.

So what a healthy server never says (429, 503, nothing after it stored) is said by something that otherwise is one.
"""

import contextlib
import gzip
import http.server
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

# What a test answers to the lines of a write instead of the server; None: the server shall answer.
Spoil = Callable[[str], "Said | None"]


@dataclass(frozen=True)
class Said:
    """An answer to a write; status 0: none, the connection is closed. `stored`: the server has the lines though."""

    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    stored: bool = False


@dataclass
class Between:
    """The stand-in: its address, what it spoils, which token it shows, and the lines of all writes so far."""

    address: str
    spoil: Spoil = lambda _: None
    token: str | None = None
    slow_s: float = 0.0
    writes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def between(server: str) -> Iterator[Between]:
    """Stand between stores and a server for the length of the block."""
    found = Between("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = None
            # A test writes too, as plain text; that is never spoilt.
            if self.path.startswith("/api/v2/write") and self.headers.get("Content-Encoding") == "gzip":
                lines = gzip.decompress(body).decode()
                found.writes.append(lines)
                time.sleep(found.slow_s)
                said = found.spoil(lines)
            if said is None or said.stored:
                answer = self._ask(body)
                said = answer if said is None else said
            if said is None or said.status == 0:
                self.close_connection = True
                return
            text = said.body.encode()
            self.send_response(said.status)
            for name, value in {"Content-Type": "application/json", **said.headers}.items():
                self.send_header(name, value)
            if said.status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if said.status != 204:
                self.wfile.write(text)

        def _ask(self, body: bytes) -> Said | None:
            kept = {"authorization", "content-type", "content-encoding"}
            headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
            if found.token is not None:
                headers["Authorization"] = f"Token {found.token}"
            request = urllib.request.Request(server + self.path, body or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return Said(answer.status, answer.read().decode())
            except urllib.error.HTTPError as error:
                return Said(error.code, error.read().decode())
            except OSError:
                return None

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _pass  # noqa: N815

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    found.address = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield found
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(10)
