"""Every refusal has a page, and every page says what to do next, in every language."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from flask import Flask, render_template

import newsletter
from newsletter import create_app
from newsletter.errors import NewsletterError
from newsletter.issues.issue_file import Problem
from newsletter.settings import load_settings

FOLDER = Path(newsletter.__file__).parent / "templates" / "refusals"
SHARED = {"base", "desk"}  # what the pages are made of
OF_THE_FRAMEWORK = {"not_found", "too_large", "too_many", "bad_request", "broken"}
PAGES = sorted({path.stem for path in FOLDER.glob("*.html")} - SHARED)


def refusals(kind: type[NewsletterError] = NewsletterError) -> set[type[NewsletterError]]:
    """Every class of refusal in the product."""
    found = set()
    for one in kind.__subclasses__():
        found |= {one} | refusals(one)
    return found


def load_everything() -> None:
    for module in pkgutil.walk_packages(newsletter.__path__, "newsletter."):
        if "migrations" not in module.name:
            importlib.import_module(module.name)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("instance")
    return create_app(load_settings(_env_file=None, instance_path=folder, secret_key="k" * 40))


def test_every_refusal_has_a_page():
    load_everything()
    asked_for = {kind.page for kind in refusals() if kind.__module__.startswith("newsletter.")}

    assert len(asked_for) > 5
    assert asked_for | OF_THE_FRAMEWORK <= set(PAGES)


def test_no_page_is_left_over():
    load_everything()
    asked_for = {kind.page for kind in refusals()}

    assert set(PAGES) <= asked_for | OF_THE_FRAMEWORK


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("page", PAGES)
def test_a_refusal_says_what_is_wrong_what_to_do_and_where_to_go_on(app, page, language):
    class Anything(NewsletterError):
        problems = (Problem(3, "There is <b>no</b> such section."),)

    path = "/nowhere" if language == "en" else f"/{language}/nowhere"
    with app.test_request_context(path):
        app.preprocess_request()
        html = render_template(
            f"refusals/{page}.html", error=Anything(), sentence="Line <3> is wrong."
        )

    assert f'<html lang="{language}"' in html
    main = html[html.index("<main") : html.index("</main>")]
    assert re.search(r"<h1>[^<]{5,}</h1>", main)
    assert len(re.findall(r"<p[ >]", main)) >= 2
    assert re.search(r'<a [^>]*href="(/|mailto:)', main)
    assert "<b>" not in main
    assert "<3>" not in main
