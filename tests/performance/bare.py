"""What Flask can do at most on the same server: a view that hands out bytes, one that keeps a row.

The row goes straight to the database's driver, in a transaction that is as durable as ours.
"""

import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from threading import local

import psycopg
from flask import Flask, request

from newsletter.settings import PREFIX

PAGE = "page.html"  # a file in the instance folder
SQLITE = "sqlite:///"

app = Flask(__name__)
_of_thread = local()


@app.get("/page")
def page() -> bytes:
    """The same bytes, always."""
    return _page()


@app.post("/row")
def row() -> bytes:
    """Read a form, keep two of its fields, hand out the same bytes."""
    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = connect(os.environ[f"{PREFIX}DATABASE_URL"])
    values = (request.form["address"], request.form["language"])
    mark = "?" if isinstance(_of_thread.connection, sqlite3.Connection) else "%s"
    _of_thread.connection.execute(f"INSERT INTO bare VALUES ({mark}, {mark})", values)  # noqa: S608  # of marks
    return _page()


def connect(url: str) -> sqlite3.Connection | psycopg.Connection:
    """A connection that commits every statement, on disk."""
    if not url.startswith(SQLITE):
        return psycopg.connect(url, autocommit=True)
    connection = sqlite3.connect(url.removeprefix(SQLITE), isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def make_table(url: str) -> None:
    """Where the rows are kept."""
    with closing(connect(url)) as connection:
        connection.execute("CREATE TABLE bare (address text NOT NULL, language text NOT NULL)")


@cache
def _page() -> bytes:
    return (Path(os.environ[f"{PREFIX}INSTANCE_PATH"]) / PAGE).read_bytes()
