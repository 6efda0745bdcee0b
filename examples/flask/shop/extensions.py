"""What is shared by the whole application and bound to it by the factory."""

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

db = SQLAlchemy()


def redis_client() -> Redis:
    """One client an application, so that requests share its connections."""
    app = current_app._get_current_object()
    if "redis" not in app.extensions:
        app.extensions["redis"] = Redis.from_url(
            app.config["REDIS_URL"],
            socket_connect_timeout=1,
            socket_timeout=1,
            # redis-py tries again for some seconds by itself. A health check should say what is
            # so now; trying again is Watchbell's work (`retries`).
            retry=Retry(NoBackoff(), 0),
        )
    return app.extensions["redis"]
