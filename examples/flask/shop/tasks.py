"""The Celery application: `celery -A shop.tasks worker` and `celery -A shop.tasks beat`."""

from celery import Celery

from . import create_app, heartbeat

flask_app = create_app()
SECONDS = flask_app.config["HEARTBEAT_SECONDS"]

celery = Celery("shop", broker=flask_app.config["REDIS_URL"])
celery.conf.update(
    task_ignore_result=True,
    timezone="UTC",
    # When Redis was away: wait for it as long as it takes, and look every few seconds.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5},
    beat_schedule={
        "heartbeat": {
            "task": "shop.heartbeat",
            "schedule": SECONDS,
            # A task that waited longer than one round is dropped. Else a worker that comes back
            # after an hour would send sixty pings that say nothing.
            "options": {"expires": max(SECONDS, 1)},
        }
    },
)


@celery.task(name="shop.heartbeat")
def beat() -> None:
    heartbeat.run(flask_app)
