"""The same job without Celery: an APScheduler in each Gunicorn worker.

`gunicorn.conf.py` starts it when `SCHEDULER=apscheduler` is set.
"""

import fcntl
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from . import heartbeat


class Leader:
    """One worker of all holds a lock on a file. The system frees it when the worker ends, however
    it ends, and the next worker to ask gets it."""

    def __init__(self, path: str):
        self.path = path
        self.file = None

    def is_me(self) -> bool:
        if not self.path or self.file:
            return True  # nobody is elected, or I am
        file = open(self.path, "a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self.file = file  # kept open: closing it would free the lock
        return True


def start(app: Flask) -> BackgroundScheduler:
    leader = Leader(app.config["HEARTBEAT_LOCK_FILE"])

    def job() -> None:
        if leader.is_me():
            heartbeat.run(app)

    # Counted from a fixed date, so that all workers ring at the same moments, whenever they started.
    trigger = IntervalTrigger(
        seconds=max(1, round(app.config["HEARTBEAT_SECONDS"])),
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        timezone=UTC,
    )
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.add_job(job, trigger, id="heartbeat", coalesce=True, max_instances=1)
    scheduler.start()
    return scheduler
