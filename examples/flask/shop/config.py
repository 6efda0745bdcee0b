"""Every setting, read from the environment once."""

import os


def _engine_options(url: str) -> dict:
    """Short time limits, so that a health check answers while the database does not.

    Without them a check waits for the driver's default, which may be minutes, and Watchbell
    reports `timeout after 10s` where it could name the part that is ill.
    """
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 2}}
    options = {"pool_timeout": 2}
    if url.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": 2, "options": "-c statement_timeout=2000"}
    return options


class Config:
    # Flask-SQLAlchemy puts a relative SQLite file into the folder `instance/`.
    SQLALCHEMY_DATABASE_URI = os.environ.get("DATABASE_URL", "sqlite:///shop.db")
    SQLALCHEMY_ENGINE_OPTIONS = _engine_options(SQLALCHEMY_DATABASE_URI)
    REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

    # The ping URL of a heartbeat in Watchbell. Without one the job runs and tells nobody.
    WATCHBELL_PING_URL = os.environ.get("WATCHBELL_PING_URL", "")
    HEARTBEAT_SECONDS = float(os.environ.get("HEARTBEAT_SECONDS", "60"))

    # For the APScheduler variant: with a lock file, one worker of all pings; without, each does.
    HEARTBEAT_LOCK_FILE = os.environ.get("HEARTBEAT_LOCK_FILE", "")
