"""The desk: from an issue file to Send, and watching it go."""

from flask import Blueprint

pages = Blueprint("desk", __name__, url_prefix="/desk")
