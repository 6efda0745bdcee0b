#!/usr/bin/env python3
"""The story, for real: a Flask application under Gunicorn, Celery with a beat, and Redis, watched
by Watchbell, which tells a Slack channel and a mailbox.

    WATCHBELL_BIN=target/debug/watchbell python tests/story/story.py

Runs on SQLite; with WATCHBELL_TEST_DATABASE_URL=postgres://... on that (empty) database.
Needs redis-server, and tests/story/requirements.txt in the Python that runs it. Everything runs
on free ports of this machine, in a temporary folder, and is stopped at the end.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from pathlib import Path

from world import Api, Failed, MailServer, Message, Process, SlackReceiver
from world import answers, free_port, wait_for

SHOP = Path(__file__).resolve().parents[2] / "examples" / "flask"
INTERVAL, RETRY = 2, 1  # seconds: of the HTTP monitor, and of its re-check
PERIOD, GRACE = 3, 2  # of the heartbeats
AGO = r"(\d+[dhms])( \d+[dhms])*"  # 1m 12s
QUIET = 4  # seconds in which nothing must arrive


class Story:
    def __init__(self, folder: Path):
        self.folder = folder
        self.failures = 0
        self.processes: list[Process] = []
        self.slack, self.mail = SlackReceiver(), MailServer()
        self.redis_port, self.web_port = free_port(), free_port()
        self.title = f"127.0.0.1:{self.web_port}/health"
        self.shop_env = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "DATABASE_URL": f"sqlite:///{folder}/shop.db",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    # -- telling what was seen ------------------------------------------------------------------

    def act(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def check(self, claim: str, holds, detail: object = "") -> None:
        print(f"  {'PASS' if holds else 'FAIL'}  {claim}", flush=True)
        if not holds:
            self.failures += 1
            print(f"        {detail}", flush=True)

    # -- the programs ---------------------------------------------------------------------------

    def process(self, name: str, command: list, env: dict | None = None, cwd=None) -> Process:
        process = Process(name, self.folder, command, env, cwd)
        self.processes.append(process)
        return process.start()

    def start_redis(self) -> None:
        command = ["redis-server", "--port", self.redis_port, "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", self.folder]
        self.redis = self.process("redis", command)
        self.redis.wait_until("Redis listens", lambda: answers(self.redis_port))

    def in_shop(self, name: str, program: str, *arguments: object, **env: object) -> Process:
        """One of the example's programs, from the same Python as this script."""
        command = [sys.executable, "-m", program, *arguments]
        settings = {**self.shop_env, **{key: str(value) for key, value in env.items()}}
        return self.process(name, command, settings, cwd=SHOP)

    def start_shop(self) -> None:
        self.start_redis()
        made = self.in_shop("init-db", "flask", "--app", "wsgi", "init-db").running
        if made.wait(60) != 0:
            raise Failed("flask init-db failed")
        web = self.in_shop("gunicorn", "gunicorn", "wsgi:app", BIND=f"127.0.0.1:{self.web_port}", WORKERS=2)
        web.wait_until("Gunicorn listens", lambda: answers(self.web_port))

    def start_watchbell(self) -> None:
        binary = Path(os.environ.get("WATCHBELL_BIN", "target/debug/watchbell")).resolve()
        if not os.access(binary, os.X_OK):
            raise Failed(f"no program {binary}: build it, or set WATCHBELL_BIN")
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        database = os.environ.get("WATCHBELL_TEST_DATABASE_URL")
        env = {
            "WATCHBELL_LISTEN": f"127.0.0.1:{port}",
            "WATCHBELL_DATABASE_URL": database or f"sqlite://{self.folder}/watchbell.db",
            "WATCHBELL_ADMIN_EMAIL": "admin@example.com",
            "WATCHBELL_ADMIN_PASSWORD": "a long story about a shop",
            "WATCHBELL_SMTP_URL": self.mail.url,
            "WATCHBELL_SMTP_FROM": "Watchbell <watchbell@example.com>",
        }
        if database:
            env["WATCHBELL_SECRET_KEY"] = os.environ.get("WATCHBELL_SECRET_KEY") or secrets.token_hex(32)
        self.watchbell = self.process("watchbell", [binary], env)
        self.watchbell.wait_until("/healthz answers 200", lambda: status_of(base + "/healthz") == 200)
        made = subprocess.run(
            [binary, "token", "create", "story", "--role", "admin"],
            env={**os.environ, **env},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if made.returncode != 0:
            raise Failed(f"watchbell token create: exit {made.returncode}: {made.stderr}")
        token = made.stdout.strip()
        self.check("`token create` prints the token alone", re.fullmatch(r"wbt_\S+", token), made.stdout)
        self.api = Api(base, token)

    def start_worker(self) -> None:
        self.in_shop(
            "celery-worker", "celery", "-A", "shop.tasks", "worker", "--concurrency", 1, "-l", "INFO",
            HEARTBEAT_SECONDS=1, WATCHBELL_PING_URL=self.beat["ping_url"],
        )  # fmt: skip

    def start_beat(self) -> None:
        self.celery_beat = self.in_shop(
            "celery-beat", "celery", "-A", "shop.tasks", "beat", "-l", "INFO", "--pidfile=",
            "-s", self.folder / "beat-schedule", HEARTBEAT_SECONDS=1,
        )  # fmt: skip

    # -- looking --------------------------------------------------------------------------------

    def wait_status(self, monitor: dict, status: str) -> None:
        wait_for(f"{monitor['name']} is {status}", lambda: self.api.status(monitor) == status)

    def expect_told(self, claim: str, first: str, rest: list[str], since: tuple[int, int]):
        """Slack and the mailbox each get one message with this first line, and then these lines."""
        slack = wait_for(f"Slack: {first}", lambda: self.slack.inbox.with_line(first, since[0]))
        plain = first.replace("*", "")
        mail = wait_for(f"mail: {plain}", lambda: self.mail.inbox.with_line(plain, since[1]))
        self.check(f"{claim}: told once", len(slack) == 1 and len(mail) == 1, [slack, mail])
        wanted = [re.escape(first), *rest]
        self.check(f"{claim}: Slack's text", matches(slack[0].lines, wanted), slack[0].text)
        start = mail[0].lines.index(plain)
        found = mail[0].lines[start : start + len(wanted)]
        self.check(f"{claim}: the mail's text", matches(found, [re.escape(plain), *rest]), mail[0].text)
        html = mail[0].whole.get_body(("html",))
        self.check(f"{claim}: the mail has HTML too", html and self.words(first) in html.get_content())
        for line in slack[0].lines:
            print(f"        | {line}")
        return slack[0], mail[0]

    @staticmethod
    def words(first: str) -> str:
        return first.rpartition("* ")[2]  # is DOWN

    def told(self) -> tuple[int, int]:
        return self.slack.inbox.count(), self.mail.inbox.count()

    def expect_quiet(self, claim: str, since: tuple[int, int], seconds: float = QUIET) -> None:
        time.sleep(seconds)
        texts = [m.text for m in self.slack.inbox.messages[since[0] :] + self.mail.inbox.messages[since[1] :]]
        self.check(claim, not texts, texts)

    def expect_downtime(self, back: Message, stopped_at: float, started_at: float) -> None:
        """The downtime told, against the clock: found within an interval at each end."""
        told = seconds(back.lines[-1])
        low, high = started_at - stopped_at - INTERVAL - 2, back.at - stopped_at + 1
        self.check(f"the downtime is true: {told} s", low <= told <= high, f"{low:.1f} to {high:.1f} s")

    # -- the acts -------------------------------------------------------------------------------

    def make_all(self) -> None:
        self.act("A shop, a job and two channels")
        self.start_shop()
        self.start_watchbell()
        slack = self.api.post("/channels", type="slack", name="Slack", url=self.slack.url)
        mail = self.api.post("/channels", type="email", name="Mail", to=["team@example.com"])
        self.channels = [slack["id"], mail["id"]]
        self.health = self.new_health_monitor()
        self.beat = self.new_heartbeat("Shop: Celery beat")
        self.start_worker()
        self.start_beat()
        self.wait_status(self.health, "up")
        self.wait_status(self.beat, "up")
        self.expect_quiet("all is up, and nobody is told", (0, 0))

    def new_health_monitor(self) -> dict:
        return self.api.post(
            "/monitors",
            name="Shop",
            url=f"http://{self.title}",
            check_interval_seconds=INTERVAL,
            retries=1,
            retry_interval_seconds=RETRY,
            channel_ids=self.channels,
        )

    def new_heartbeat(self, name: str) -> dict:
        return self.api.post(
            "/heartbeats", name=name, period_seconds=PERIOD, grace_seconds=GRACE, channel_ids=self.channels
        )

    def redis_stops(self) -> None:
        self.act("Redis stops: the health page says so, and Celery has lost its broker")
        since, stopped = self.told(), time.monotonic()
        self.redis.stop()
        slack, mail = self.expect_told("health is down", self.health_down(), self.redis_reason(), since)
        took = slack.at - stopped
        print(f"        told after {took:.1f} s (one interval and one retry: {INTERVAL + RETRY} s)")
        self.check("Slack's message has blocks", isinstance(slack.whole.get("blocks"), list), slack.whole)
        self.expect_told("the beat is silent", self.beat_down(), self.no_ping(), since)
        both = (since[0] + 2, since[1] + 2)
        self.check("no more than these two are told", self.told() == both, self.told())

        self.act("Redis is back")
        since, started = self.told(), time.monotonic()
        self.start_redis()
        back, mail_back = self.expect_told("health is back", self.health_up(), self.back_lines(), since)
        self.expect_downtime(back, stopped, started)
        thread = f"{mail_back.whole['References']} {mail_back.whole['In-Reply-To']}"
        self.check("both mails are one thread", str(mail.whole["Message-ID"]).strip() in thread, thread)
        self.expect_told("the beat is back", self.beat_up(), [f"Downtime: {AGO}"], since)
        incidents = self.api.get(f"/monitors/{self.health['id']}/incidents")
        self.check("one incident, resolved", [i["state"] for i in incidents] == ["resolved"], incidents)

    def beat_dies(self) -> None:
        self.act("The beat is killed")
        since = self.told()
        self.celery_beat.stop(signal.SIGKILL)
        self.expect_told("the beat is dead", self.beat_down(), self.no_ping(), since)
        self.expect_quiet("told once, and health is well", (since[0] + 1, since[1] + 1), 2)

        self.act("The beat is back")
        since = self.told()
        self.start_beat()
        self.expect_told("the beat is back", self.beat_up(), [f"Downtime: {AGO}"], since)

    def four_workers(self) -> None:
        self.act("Four Gunicorn workers ping one heartbeat at the same moment")
        since = self.told()
        heartbeat = self.new_heartbeat("Shop: APScheduler")
        port = free_port()
        workers = self.in_shop(
            "gunicorn-apscheduler", "gunicorn", "wsgi:app", BIND=f"127.0.0.1:{port}", WORKERS=4,
            SCHEDULER="apscheduler", HEARTBEAT_SECONDS=1, WATCHBELL_PING_URL=heartbeat["ping_url"],
        )  # fmt: skip
        path = f"/monitors/{heartbeat['id']}/pings?per_page=200"
        wait_for("40 pings", lambda: len(self.api.get(path)) >= 40)
        workers.stop()
        pings = self.api.get(path)
        numbers = [ping["n"] for ping in pings]
        count = len(numbers)
        self.check(f"{count} pings, numbered 1 to {count}", numbers == list(range(count, 0, -1)), numbers)
        kinds = {(ping["kind"], ping["method"]) for ping in pings}
        self.check("each a success by GET", kinds == {("success", "GET")}, kinds)
        self.check("no incident", not self.api.get(f"/monitors/{heartbeat['id']}/incidents"))
        self.api.post(f"/monitors/{heartbeat['id']}/pause")
        self.expect_quiet("and nobody is told", since, 1)

    def maintenance(self) -> None:
        # Monitors of its own: one that changes five times in half an hour counts as flapping,
        # and is told in summaries.
        self.act("A maintenance window covers an outage")
        self.celery_beat.stop()
        self.api.post(f"/monitors/{self.health['id']}/pause")
        self.api.post(f"/monitors/{self.beat['id']}/pause")
        monitor = self.new_health_monitor()
        self.wait_status(monitor, "up")
        window = self.api.post(
            "/maintenance-windows", name="New Redis", monitor_ids=[monitor["id"]], duration_minutes=10
        )
        self.check("the window has begun", window["is_active"] is True, window)
        shown = self.api.get(f"/monitors/{monitor['id']}")
        self.check("the monitor shows it", shown["in_maintenance"] is True, shown)
        since = self.told()
        self.redis.stop()
        self.wait_status(monitor, "down")
        self.start_redis()
        self.wait_status(monitor, "up")
        self.expect_quiet("an outage inside the window is told to nobody", since, 2)

        self.act("The window ends while Redis is still down")
        stopped = time.monotonic()
        self.redis.stop()
        self.wait_status(monitor, "down")
        self.expect_quiet("nothing is told inside the window", since)
        ended = self.api.post(f"/maintenance-windows/{window['id']}/end")
        self.check("the window has ended", ended["is_active"] is False, ended)
        self.expect_told("still down", self.health_down(), self.redis_reason(), since)
        since, started = self.told(), time.monotonic()
        self.start_redis()
        back, _ = self.expect_told("back", self.health_up(), self.back_lines(), since)
        self.expect_downtime(back, stopped, started)

    def the_end(self) -> None:
        self.act("The end")
        # A receiver has an alert a moment before that is settled in the database.
        wait_for("all deliveries settled", lambda: not self.api.get("/deliveries?state=pending"))
        deliveries = self.api.get("/deliveries?per_page=200")
        odd = [d for d in deliveries if d["state"] != "delivered" or d["attempts"] != 1]
        self.check("every delivery arrived at the first attempt", deliveries and not odd, odd)
        self.check("and is in the log", len(deliveries) == sum(self.told()), self.told())
        self.check("no incident is open", not self.api.get("/incidents?state=open"))
        code = self.watchbell.stop()
        self.check("SIGTERM ends Watchbell with exit 0", code == 0, f"exit {code}")

    # -- the words of the alerts ----------------------------------------------------------------

    def health_down(self) -> str:
        return f"🔴 *{self.title}* is DOWN"

    def redis_reason(self) -> list[str]:
        # Mostly "Connection refused"; at the very moment of the stop, "Connection closed".
        return [r"Status: 503 \| checks\.redis: error: \S.*", f"Duration: {AGO}"]

    def health_up(self) -> str:
        return f"🟢 *{self.title}* is back online"

    def back_lines(self) -> list[str]:
        return ["Status: 200", f"Downtime: {AGO}"]

    def beat_down(self) -> str:
        return "🔴 *Shop: Celery beat* is DOWN"

    def no_ping(self) -> list[str]:
        return [rf"No ping for {AGO} \(expected every {PERIOD}s, grace {GRACE}s\)", f"Duration: {AGO}"]

    def beat_up(self) -> str:
        return "🟢 *Shop: Celery beat* is back online"

    # -- playing it -----------------------------------------------------------------------------

    def play(self) -> None:
        try:
            self.make_all()
            self.redis_stops()
            self.beat_dies()
            self.four_workers()
            self.maintenance()
            self.the_end()
        except Exception as error:
            self.failures += 1
            print(f"  FAIL  {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc()

    def clean_up(self) -> None:
        for process in reversed(self.processes):
            process.stop(patience=5)
        self.slack.stop()
        self.mail.stop()

    def show_logs(self) -> None:
        for name, process in {p.name: p for p in self.processes}.items():
            print(f"\n--- the end of {name}.log\n{process.tail()}")


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except OSError:
        return 0


def matches(lines: list[str], patterns: list[str]) -> bool:
    return len(lines) == len(patterns) and all(re.fullmatch(p, line) for p, line in zip(patterns, lines))


def seconds(text: str) -> int:
    """`Downtime: 4m 22s` -> 262"""
    size = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    return sum(int(number) * size[unit] for number, unit in re.findall(r"(\d+)([dhms])\b", text))


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
    if not shutil.which("redis-server"):
        print("The story needs redis-server: apt-get install redis-server")
        return 2
    on = "PostgreSQL" if os.environ.get("WATCHBELL_TEST_DATABASE_URL") else "SQLite"
    print(f"The story on {on}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="watchbell-story-") as folder:
        story = Story(Path(folder))
        try:
            story.play()
        finally:
            story.clean_up()
        if story.failures:
            story.show_logs()
    result = f"FAILED, {story.failures} wrong" if story.failures else "passed"
    print(f"\nThe story on {on}: {result}, {time.monotonic() - began:.0f} s")
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
