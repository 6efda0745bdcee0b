"""A small web shop: enough of a real application to show how Watchbell watches one."""

from flask import Flask

from .config import Config
from .extensions import db
from .health import health
from .store import store


def create_app(config: type = Config) -> Flask:
    """The application factory: Gunicorn, Celery and the tests all start here."""
    app = Flask(__name__)
    app.config.from_object(config)
    app.json.sort_keys = False  # "status" first, as people read it
    db.init_app(app)
    app.register_blueprint(health)
    app.register_blueprint(store)

    @app.cli.command("init-db")
    def init_db() -> None:
        """Make the tables. A command, because workers that start together would collide."""
        db.create_all()

    return app
