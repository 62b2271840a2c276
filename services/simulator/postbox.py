"""A postbox is where a demo's messages arrive: a mail server and a webhook, and a page that shows what came.

    with Postbox(http_port=0, smtp_port=0, secret="..") as box:
        box.address      # http://127.0.0.1:PORT, the page
        box.hook         # http://127.0.0.1:PORT/hook, where webhooks go
        box.smtp_port    # where mails go, without TLS and login (QINGYU_SMTP_HOST=127.0.0.1, QINGYU_SMTP_TLS=none)
        box.letters()    # what came, the newest first

Port 0 takes any free one. `secret` is what webhooks must be signed with. As a process:
`python -m services.simulator.postbox --http-port 8025 --smtp-port 2525`, the secret in QINGYU_SECRET_POSTBOX.
"""

import argparse
import email
import email.policy
import http.server
import json
import os
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal, Self

from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, FileSystemLoader

from schemas.windows import local_datetime
from services.notifier.signature import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, fault_of
from services.simulator.mail_server import MailServer

KEPT = 300
MAX_BODY_BYTES = 1 << 20
REFRESH_S = 5
_SOCKET_TIMEOUT_S = 10.0
_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
).get_template("postbox.html.jinja")
# Whoever reads a letter is not interrupted.
_SCRIPT = f"""setInterval(() => {{
  if (!document.hidden && !document.querySelector("details[open]")) location.reload();
}}, {REFRESH_S * 1000});
"""
# The page needs nothing but itself; what mails bring along is shown, never fetched or run.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail or a webhook that came at `at_ms` [epoch ms]; `key` is its idempotency key, `repeat` counts it from 1.

    `fault` says why a webhook's signature is not to be trusted, None when it is (a mail has no signature).
    """

    kind: Literal["mail", "webhook"]
    at_ms: int
    key: str
    repeat: int
    title: str
    sender: str
    to: str
    text: str
    html: str = ""
    fault: str | None = None
    event: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def time(self) -> str:
        """When it came, as people at the demo's place read it."""
        return f"{local_datetime(self.at_ms):%Y-%m-%d %H:%M:%S}"


class Postbox:
    """Receives mails and webhooks while it is entered; keeps the last KEPT of them. Raises OSError for a taken port."""

    def __init__(self, http_port: int = 0, smtp_port: int = 0, secret: str = "", host: str = "127.0.0.1") -> None:
        self._secret = secret
        self._host = host
        self._letters: deque[Letter] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()
        self._mails = MailServer(self, host, smtp_port)
        self._server = http.server.ThreadingHTTPServer((host, http_port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="postbox", daemon=True)

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://{self._host}:{self._server.server_address[1]}"

    @property
    def hook(self) -> str:
        """Address that webhooks are sent to."""
        return f"{self.address}/hook"

    @property
    def smtp_port(self) -> int:
        """Port of the mail server."""
        return self._mails.port

    def letters(self) -> list[Letter]:
        """Return what came, the newest first."""
        with self._lock:
            return list(reversed(self._letters))

    def page(self) -> str:
        """Return the page that shows what came."""
        with self._lock:
            letters, counts = list(reversed(self._letters)), dict(self._counts)
        return _PAGE.render(letters=letters, counts=counts, kept=KEPT, refresh_s=REFRESH_S)

    def take_webhook(self, headers: dict[str, str], body: bytes) -> str | None:
        """Keep a webhook (headers by lower-case name) and return why its signature is not to be trusted."""
        timestamp, signature = headers.get(TIMESTAMP_HEADER.lower(), ""), headers.get(SIGNATURE_HEADER.lower(), "")
        fault = fault_of(self._secret, timestamp, signature, body, time.time())
        try:
            said = json.loads(body)
            text = json.dumps(said, ensure_ascii=False, indent=2)
        except ValueError:
            said, text = None, body.decode(errors="replace")
        found: dict[str, Any] = said if isinstance(said, dict) else {}
        titles = found.get("title")
        titles = titles if isinstance(titles, dict) else {}
        self._keep(
            "webhook",
            key=headers.get(KEY_HEADER.lower(), ""),
            title=" / ".join(str(one) for one in titles.values()) or "webhook",
            sender=headers.get("user-agent", ""),
            to=str(found.get("recipient", "")),
            text=text,
            fault=fault,
            event=found.get("event") if isinstance(found.get("event"), dict) else {},
        )
        return fault

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's
        """Keep a mail; called by the mail server."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self._keep(
            "mail",
            key=str(mail.get(KEY_HEADER, "")),
            title=str(mail.get("Subject", "")),
            sender=str(mail.get("From", "")),
            to=", ".join(envelope.rcpt_tos),
            text=_part(mail, "plain"),
            html=_part(mail, "html"),
        )
        return "250 kept"

    def _keep(self, kind: Literal["mail", "webhook"], *, key: str, to: str, **more: Any) -> None:
        with self._lock:
            self._counts[kind] += 1
            self._seen[kind, key, to] += 1
            repeat = self._seen[kind, key, to]
            if len(self._seen) > 100 * KEPT:
                self._seen.clear()
            self._letters.append(Letter(kind, time.time_ns() // 1_000_000, key, repeat, to=to, **more))

    def __enter__(self) -> Self:
        self._mails.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._mails.stop()
        self._server.shutdown()
        self._thread.join(_SOCKET_TIMEOUT_S)
        self._server.server_close()


def _part(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""


def _handler(box: Postbox) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _SOCKET_TIMEOUT_S

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/":
                self._answer(200, "text/html; charset=utf-8", box.page().encode())
            elif path == "/postbox.js":
                self._answer(200, "text/javascript; charset=utf-8", _SCRIPT.encode())
            else:
                self._answer(404, "text/plain; charset=utf-8", b"not here")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/hook":
                self._answer(404, "text/plain; charset=utf-8", b"webhooks go to /hook")
            elif not length.isdecimal() or int(length) > MAX_BODY_BYTES:
                self._answer(413, "text/plain; charset=utf-8", b"say the length of the body, at most 1 MiB")
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                fault = box.take_webhook(headers, self.rfile.read(int(length)))
                self._answer(401 if fault else 204, "text/plain; charset=utf-8", (fault or "").encode())

        def _answer(self, status: int, media_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("Cache-Control", "no-store")
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


def main() -> None:
    """Run a postbox until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m services.simulator.postbox", description="A demo's postbox.")
    parser.add_argument("--http-port", type=int, default=8025, help="of the page and of /hook; 0: any")
    parser.add_argument("--smtp-port", type=int, default=2525, help="of the mail server; 0: any")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    asked = parser.parse_args()
    with Postbox(asked.http_port, asked.smtp_port, os.environ.get("QINGYU_SECRET_POSTBOX", ""), asked.host) as box:
        print(f"postbox: {box.address}, webhooks {box.hook}, mails {asked.host}:{box.smtp_port}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
