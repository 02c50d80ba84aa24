"""Celery workers and the clock: `celery -A worker worker -Q issues,upkeep`."""

from newsletter import create_app

celery = create_app().extensions["celery"]
