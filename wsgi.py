"""The web application, for any WSGI server."""

from newsletter import create_app

app = create_app()
