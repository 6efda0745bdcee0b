"""Gunicorn's settings. It reads a file of this name in the current folder by itself."""

import os

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WORKERS", "4"))
# Threads, so that a slow request does not keep the health check waiting.
worker_class = "gthread"
threads = 4
timeout = 30
graceful_timeout = 10
control_socket_disable = True  # several Gunicorns of one user would share the socket
accesslog = os.environ.get("ACCESS_LOG") or None


def post_worker_init(worker):
    """In the worker, after the fork: threads that were started before it would not live here."""
    if os.environ.get("SCHEDULER") == "apscheduler":
        from shop import scheduler

        worker.scheduler = scheduler.start(worker.app.wsgi())


def worker_exit(server, worker):
    if hasattr(worker, "scheduler"):
        worker.scheduler.shutdown(wait=False)
