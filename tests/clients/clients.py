"""Clients made for others work with nothing but the host changed: Healthchecks' and Uptime Kuma's.

Run by `scripts/test clients` with the program in WATCHBELL_BIN; see requirements.txt for what is tried.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from healthchecks_decorator import healthcheck
from healthchecks_io import CheckTrap, Client, HCAPIError

WATCHBELL = os.environ["WATCHBELL_BIN"]
CAP = 30.0  # seconds to wait for anything: much more than it takes


class Server:
    """A server on an empty database, and its API."""

    def __init__(self, folder: Path):
        env = {name: value for name, value in os.environ.items() if not name.startswith("WATCHBELL_")}
        env |= {
            "WATCHBELL_LISTEN": "127.0.0.1:0",
            "WATCHBELL_DATABASE_URL": f"sqlite://{folder}/test.db",
            "WATCHBELL_SECRET_KEY": "a key for tests",
        }
        self.process = subprocess.Popen(
            [WATCHBELL, "serve"], env=env, cwd=folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(folder / "log", "w"),
        )
        line = self.process.stdout.readline()
        assert " listens on " in line, (folder / "log").read_text()
        self.base = line.rsplit(" listens on ", 1)[1].strip()
        made = subprocess.run(
            [WATCHBELL, "token", "create", "clients", "--role", "editor"],
            env=env, cwd=folder, text=True, check=True, capture_output=True,
        )
        self.token = made.stdout.strip()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(CAP) == 0

    def api(self, method: str, path: str, body=None):
        request = urllib.request.Request(
            f"{self.base}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        end = time.monotonic() + CAP
        while True:
            try:
                with urllib.request.urlopen(request, timeout=CAP) as answer:
                    return json.load(answer)["data"]
            except ConnectionError:
                assert time.monotonic() < end, "does not answer"

    def job(self, name: str) -> "Job":
        return Job(self, self.api("POST", "/heartbeats", {"name": name, "period_seconds": 3600}))


class Job:
    """A heartbeat, and what was said of it since the last look."""

    def __init__(self, server: Server, made: dict):
        self.server, self.id, self.uuid = server, made["id"], made["uuid"]
        self.seen = 0

    def said(self, *expected, status: str):
        pings = self.server.api("GET", f"/heartbeats/{self.id}/pings?per_page=200")
        new = [ping for ping in reversed(pings) if ping["n"] > self.seen]
        self.seen += len(new)
        found = [(ping["kind"], ping["exit_status"]) for ping in new]
        want = [one if isinstance(one, tuple) else (one, None) for one in expected]
        assert found == want, f"{found}, not {want}"
        shown = self.server.api("GET", f"/heartbeats/{self.id}")
        assert shown["current_status"] == status, shown
        return new

    def body(self, ping: dict) -> bytes:
        request = urllib.request.Request(
            f"{self.server.base}/api/v1/monitors/{self.id}/pings/{ping['n']}/body",
            headers={"Authorization": f"Bearer {self.server.token}"},
        )
        with urllib.request.urlopen(request, timeout=CAP) as answer:
            return answer.read()


def healthchecks_api_client(server: Server):
    """healthchecks-io: every kind of ping, and its context manager."""
    job = server.job("healthchecks-io")
    client = Client(ping_url=f"{server.base}/ping/")
    assert client.success_ping(job.uuid) == (True, "OK")
    job.said("success", status="up")
    assert client.fail_ping(job.uuid, data="it broke") == (True, "OK")
    (ping,) = job.said("fail", status="down")
    assert b"it broke" in job.body(ping), job.body(ping)
    assert client.start_ping(job.uuid) == (True, "OK")
    job.said("start", status="down")
    assert client.exit_code_ping(0, uuid=job.uuid) == (True, "OK")
    (ping,) = job.said(("success", 0), status="up")
    assert ping["duration_ms"] is not None and "healthchecks" in ping["user_agent"]
    assert client.exit_code_ping(17, uuid=job.uuid) == (True, "OK")
    job.said(("fail", 17), status="down")
    with CheckTrap(client, uuid=job.uuid) as trap:
        trap.add_log("line one")
        trap.add_log("line two")
    start, end = job.said("start", "success", status="up")
    assert b"line one\nline two" in job.body(end).replace(b"\\n", b"\n"), job.body(end)
    try:
        with CheckTrap(client, uuid=job.uuid):
            raise RuntimeError("no")
    except RuntimeError:
        pass
    job.said("start", "fail", status="down")
    try:
        client.success_ping("01234567-89ab-4def-8123-456789abcdef")
    except HCAPIError:
        pass
    else:
        raise AssertionError("a check that does not exist was taken for one")


def healthchecks_decorator(server: Server):
    """healthchecks-decorator: a function that says when it starts, ends and fails."""
    job = server.job("decorator")

    @healthcheck(url=f"{server.base}/ping/{job.uuid}", send_start=True, send_diagnostics=True)
    def work(fails: bool):
        if fails:
            raise ValueError("no")
        return {"rows": 3}

    assert work(False) == {"rows": 3}
    _, ping = job.said("start", "success", status="up")
    assert (ping["method"], job.body(ping)) == ("POST", b"rows=3")
    try:
        work(True)
    except ValueError:
        pass
    job.said("start", "fail", status="down")


def curl(*arguments: str) -> str:
    # As Healthchecks' page shows it.
    return subprocess.run(
        ["curl", "-fsS", "-m", "10", "--retry", "5", *arguments], check=True, capture_output=True, text=True
    ).stdout


def healthchecks_curl(server: Server):
    """The lines of Healthchecks' documentation for the shell."""
    job = server.job("curl")
    url = f"{server.base}/ping/{job.uuid}"
    rid = "f4f2b1d0-7a7a-4a3e-8a51-2f1d3c9b7e60"
    assert curl(url) == "OK"
    assert curl(f"{url}/start?rid={rid}") == "OK"
    assert curl("--data-raw", "the log", f"{url}/0?rid={rid}") == "OK"
    assert curl("-X", "POST", f"{url}/log") == "OK"
    with tempfile.NamedTemporaryFile() as log:
        log.write(b"\0\xff" * 1_000_000)  # curl asks with Expect: 100-continue first
        log.flush()
        assert curl("--data-binary", f"@{log.name}", f"{url}/3") == "OK"
    pings = job.said("success", "start", ("success", 0), "log", ("fail", 3), status="down")
    assert (pings[2]["rid"], job.body(pings[2])) == (rid, b"the log")
    assert pings[4]["body_bytes"] == 2_000_000 and len(job.body(pings[4])) == 10_000


def uptime_kuma_push(server: Server):
    """The push URL of Uptime Kuma, as its page shows it, with its token the UUID."""
    job = server.job("kuma")
    url = f"{server.base}/api/push/{job.uuid}"
    assert json.loads(curl(f"{url}?status=up&msg=OK&ping=")) == {"ok": True}
    (ping,) = job.said("success", status="up")
    assert job.body(ping) == b"OK"
    assert json.loads(curl(f"{url}?status=down&msg=disk%20full&ping=12")) == {"ok": True}
    (ping,) = job.said("fail", status="down")
    assert (job.body(ping), ping["duration_ms"]) == (b"disk full", 12)
    with urllib.request.urlopen(f"{url}?msg=&status=up", timeout=CAP) as answer:
        assert json.load(answer) == {"ok": True}
    job.said("success", status="up")


def main():
    trials = [healthchecks_api_client, healthchecks_decorator, healthchecks_curl, uptime_kuma_push]
    with tempfile.TemporaryDirectory(prefix="watchbell-clients.") as folder:
        server = Server(Path(folder))
        try:
            for trial in trials:
                trial(server)
                print(f"ok: {trial.__doc__}")
        finally:
            server.stop()
    print(f"{len(trials)} clients work")
    return 0


sys.exit(main())
