"""`/health`: is everything that this application needs well?

200 when all checks are "ok", else 503. Watchbell reads the names and texts of the body into the
alert: `Status: 503 | checks.redis: error: ...`.
"""

from collections.abc import Callable

from flask import Blueprint, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from .extensions import db, redis_client

health = Blueprint("health", __name__)


def check_database() -> None:
    # A connection of its own: the request's session may be in a transaction that failed.
    with db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def check_redis() -> None:
    redis_client().ping()


CHECKS: dict[str, Callable[[], None]] = {"database": check_database, "redis": check_redis}


def one_line(error: Exception) -> str:
    """The error on one line, without SQLAlchemy's statement and link."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


@health.get("/health")
def show_health():
    results = {}
    for name, check in CHECKS.items():
        try:
            check()
            results[name] = "ok"
        except Exception as error:  # whatever it is, the answer must name it
            current_app.logger.warning("health check %s failed: %s", name, one_line(error))
            results[name] = f"error: {one_line(error)}"
    well = all(result == "ok" for result in results.values())
    body = {"status": "ok" if well else "degraded", "checks": results}
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response, 200 if well else 503
