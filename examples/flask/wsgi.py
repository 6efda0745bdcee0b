"""What Gunicorn serves: `gunicorn wsgi:app` reads gunicorn.conf.py by itself."""

from shop import create_app

app = create_app()
