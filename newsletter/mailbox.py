"""The mail caught in a trial, to read in a browser."""

from flask import Blueprint

pages = Blueprint("mailbox", __name__, url_prefix="/mailbox")
