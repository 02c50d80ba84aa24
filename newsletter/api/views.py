"""JSON for programs: the same signup as the form."""

from flask import Blueprint

pages = Blueprint("api", __name__, url_prefix="/api/v1")
