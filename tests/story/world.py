"""The world around the story: processes, the places that alerts go to, and the REST API."""

import email
import email.policy
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.controller import Controller

CAP = 30.0  # seconds to wait for anything: much more than it takes, for a machine that is busy


class Failed(Exception):
    """The story cannot go on."""


def wait_for(what: str, condition, cap: float = CAP):
    """What `condition` returns, as soon as it is true."""
    end = time.monotonic() + cap
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"waited {cap:.0f} s for this in vain: {what}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """One program, its output in a file, stopped by its own process id."""

    def __init__(self, name: str, folder: Path, command: list, env: dict | None = None, cwd=None):
        self.name, self.command, self.cwd = name, [str(part) for part in command], cwd or folder
        self.env = {**os.environ, **(env or {})}
        self.log = folder / f"{name}.log"
        self.running: subprocess.Popen | None = None

    def start(self) -> "Process":
        with open(self.log, "ab") as log:
            self.running = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that its workers end with it
            )
        return self

    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def wait_until(self, what: str, condition):
        def alive_and_ready():
            if not self.alive():
                raise Failed(f"{self.name} ended by itself (exit {self.running.returncode})")
            return condition()

        return wait_for(what, alive_and_ready)

    def stop(self, how: int = signal.SIGTERM, patience: float = 15.0) -> int | None:
        """Ask it to end; its exit code. What is left of its group is killed."""
        if self.running is None:
            return None
        process, self.running = self.running, None
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return process.wait()

    def tail(self, lines: int = 40) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@dataclass
class Message:
    """One alert as it arrived: its text, and all of it."""

    at: float
    text: str
    whole: object

    @property
    def lines(self) -> list[str]:
        return self.text.strip().splitlines()


@dataclass
class Inbox:
    """Where alerts arrive, in order."""

    messages: list[Message] = field(default_factory=list)

    def put(self, text: str, whole: object) -> None:
        self.messages.append(Message(time.monotonic(), text, whole))

    def count(self) -> int:
        return len(self.messages)

    def with_line(self, line: str, since: int = 0) -> list[Message]:
        return [m for m in self.messages[since:] if line in m.lines]


class SlackReceiver:
    """Stands where hooks.slack.com would: takes JSON by POST, answers `ok`."""

    def __init__(self):
        self.inbox = inbox = Inbox()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    body = json.loads(raw)
                    inbox.put(body["text"], body)
                except (ValueError, KeyError, TypeError) as error:
                    inbox.put(f"not a Slack message: {error!r}: {raw!r}", None)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{port}/services/T000/B000/story"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """An SMTP server that keeps what it gets."""

    def __init__(self):
        self.inbox = Inbox()
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.controller.start()
        self.url = f"smtp://127.0.0.1:{self.controller.port}"

    async def handle_DATA(self, _server, _session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = mail.get_body(("plain",))
        self.inbox.put(text.get_content() if text else "", mail)
        return "250 taken"

    def stop(self) -> None:
        self.controller.stop()


class Api:
    """Watchbell's REST API."""

    def __init__(self, base: str, token: str):
        self.base, self.token = base + "/api/v1", token

    def call(self, method: str, path: str, body: dict | None = None):
        headers = {"Authorization": f"Bearer {self.token}"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None

    def get(self, path: str):
        return self.call("GET", path)["data"]

    def post(self, path: str, **body):
        return self.call("POST", path, body or None)["data"]

    def status(self, monitor: dict) -> str:
        return self.get(f"/monitors/{monitor['id']}")["current_status"]
