"""Whatever the product says, it says in Arabic too: all of it, whole, and really on the page."""

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from sqlalchemy import select

import newsletter
from newsletter.database import db
from newsletter.mail.addresses import Flaw
from newsletter.mail.rendering import EMAILS, render_mail
from newsletter.subscribers.models import Signup
from tests.emails.conftest import make_app
from tests.emails.pages import Page
from tests.emails.samples import MAILS, PUBLICATIONS, articles, context_of
from tests.integration.readers import Browser, ask

PACKAGE = Path(newsletter.__file__).parent
ROOT = PACKAGE.parent
TEMPLATES = PACKAGE / "templates"

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")
TAG = re.compile(r"</?\w+")
NOT_WORDS = re.compile(
    r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|<(style|mj-style)\b.*?</\1>"
    r'|<pre [^>]*lang=.*?</pre>|\b(lang|dir)="[^"]*"',
    re.DOTALL,
)
ARABIC = re.compile("[\u0621-\u064a،]")
ENGLISH = re.compile(r"[A-Za-z]{2,}")
ATTRIBUTE = re.compile(r'\b[a-z]+(?:-[a-z]+)*="[^"]*"')  # in a macro, outside of any tag
NOT_ENGLISH = re.compile(r"https?://\S+|\S+@\S+|\b(HTML|Atom|English|UTC|IP|Ctrl)\b")
SAME_IN_ARABIC = {"HTML", "%(sentence)s"}  # a name, and a frame around another sentence
ABBREVIATED = {"No."}
ARABIC_SIGNS = str.maketrans({",": "،", ";": "؛", "?": "؟"})
ENDS = set(".:؟…")


@pytest.fixture(scope="module")
def extracted() -> Catalog:
    """Every message that the source holds today."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as mapping:
        methods, options = parse_mapping_cfg(mapping)
    catalog = Catalog()
    for path, line, message, _comments, context in extract_from_dir(ROOT, methods, options):
        catalog.add(message, locations=[(path, line)], context=context)
    return catalog


@pytest.fixture(scope="module")
def arabic() -> Catalog:
    """The catalogue as it is kept."""
    path = PACKAGE / "translations" / "ar" / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        return read_po(file, locale="ar")


def forms(words: str | Sequence[str] | None) -> tuple[str, ...]:
    """A message alone, or its plural forms."""
    return (words,) if isinstance(words, str) else tuple(words or ())


def pairs(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Each form of each translation beside the English it stands for."""
    for message in catalog:
        if message.id:
            english = forms(message.id)[-1]
            for words in forms(message.string):
                yield english, words


def seen(markup: str) -> str:
    """All that somebody reads, or hears read out, in a page or a mail."""
    page = Page(re.sub(r"<(style|title)\b.*?</\1>|<!--.*?-->", "", markup, flags=re.DOTALL))
    spoken = [values.get(name, "") for _, values in page.elements for name in ("aria-label", "alt")]
    return " ".join([page.text, *spoken])


def english_in(text: str, *names: str) -> list[str]:
    """The English words in a text, but for the names that we know of."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ")
    return ENGLISH.findall(NOT_ENGLISH.sub(" ", text))


def ids(catalog: Catalog) -> set[str]:
    return {forms(message.id)[0] for message in catalog if message.id}


def test_every_message_of_the_source_stands_in_the_catalogue(extracted, arabic):
    assert len(ids(extracted)) > 200
    assert ids(extracted) - ids(arabic) == set()


def test_the_catalogue_holds_nothing_that_the_source_no_longer_says(extracted, arabic):
    assert ids(arabic) - ids(extracted) == set()
    assert list(arabic.obsolete) == []


def test_every_message_is_translated_in_all_its_forms_and_none_is_a_guess(arabic):
    untranslated = [message.id for message in arabic if not all(forms(message.string))]
    guessed = [message.id for message in arabic if message.id and message.fuzzy]
    still_english = [
        english
        for english, words in pairs(arabic)
        if not ARABIC.search(words) and english not in SAME_IN_ARABIC
    ]

    assert untranslated == []
    assert guessed == []
    assert still_english == []


def test_a_translation_keeps_the_placeholders(arabic):
    """Where Arabic has a word for none, one and two, the number may go."""
    wrong = []
    for message in arabic:
        wanted = sorted(PLACEHOLDER.findall(forms(message.id)[-1]))
        for number, words in enumerate(forms(message.string)):
            found = sorted(PLACEHOLDER.findall(words))
            in_words = message.pluralizable and number < 3
            if found != wanted and not (in_words and set(found) < set(wanted)):
                wrong.append(words)

    assert wrong == []


def test_a_translation_keeps_the_tags(arabic):
    assert [
        words
        for english, words in pairs(arabic)
        if sorted(TAG.findall(words)) != sorted(TAG.findall(english))
    ] == []


def test_a_translation_has_arabic_signs_and_ends_as_the_english_does(arabic):
    latin = [words for _, words in pairs(arabic) if re.search("[,;?]", words)]
    other_end = [
        words
        for english, words in pairs(arabic)
        if english not in ABBREVIATED
        and ENDS & {english.translate(ARABIC_SIGNS)[-1]} != ENDS & {words[-1]}
    ]

    assert latin == []
    assert other_end == []


@pytest.mark.parametrize(
    "template",
    [
        path
        for folder, kind in ((TEMPLATES, "*.html"), (EMAILS, "*.mjml"), (EMAILS, "*.txt"))
        for path in sorted(folder.rglob(kind))
        if path.name != "look.mjml"  # colours and type
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_no_template_holds_words_that_nobody_can_translate(template):
    source = NOT_WORDS.sub("", template.read_text(encoding="utf-8"))
    spoken = re.findall(r'\b(?:aria-label|alt|title|placeholder)="([^"]*)"', source)
    shown = html.unescape(ATTRIBUTE.sub(" ", re.sub(r"<[^>]*>", " ", source)))

    assert english_in(" ".join([shown, *spoken])) == []


@pytest.mark.parametrize("path", ["/ar/", "/ar/issues/", "/ar/subscribe", "/ar/nowhere"])
def test_an_arabic_page_is_arabic_from_top_to_bottom(client, settings, path):
    page = client.get(path).text
    hint = "This page in English"  # for whoever reads no Arabic
    names = settings.publication_name, settings.postal_address, hint

    assert '<html lang="ar" dir="rtl">' in page
    assert "كل الأعداد" in page
    assert english_in(seen(page), *names) == []


def test_whatever_can_be_wrong_with_an_address_has_its_words(extracted):
    assert {flaw.value for flaw in Flaw} - ids(extracted) == set()


def test_a_wrong_address_is_refused_in_arabic_on_the_form(app):
    page = ask(Browser(app, app.response_class), "nobody", language="ar", path="/ar/subscribe")

    (error,) = re.findall(r'<p id="address-error"[^>]*>([^<]*)</p>', page.text)
    assert "لا توجد علامة @" in error
    assert english_in(error) == []


def test_the_consent_that_an_arabic_reader_gives_is_kept_in_the_arabic_words_they_saw(app):
    browser = Browser(app, app.response_class)
    form = browser.get("/ar/subscribe")
    answer = ask(browser, "amal@reader.example", language="ar", path="/ar/subscribe")

    (wording,) = db.session.scalars(select(Signup.wording))
    assert "صندوق بريدك" in answer.text
    assert "بالضغط على الزر أطلب" in wording
    assert wording in html.unescape(form.text)


@pytest.mark.parametrize("name", MAILS)
def test_an_arabic_mail_is_arabic_in_subject_text_and_page(name):
    context = context_of(name, "ar")
    if name == "issue":
        context["articles"] = [one for one in articles("ar") if one.language == "ar"]
    with make_app().app_context():
        mail = render_mail(name, "ar", **context)

    address = PUBLICATIONS["ar"].postal_address
    assert ARABIC.search(mail.subject)
    assert english_in(mail.subject + mail.text, address) == []
    if name != "issue":  # its articles may quote what they like
        assert english_in(seen(mail.html), address) == []


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (1, "ليوم واحد."),
        (2, "ليومين."),
        (3, "لمدة 3 أيام."),
        (11, "لمدة 11 يومًا."),
        (100, "لمدة 100 يوم."),
    ],
    ids=["one", "two", "few", "many", "a hundred"],
)
def test_arabic_counts_days_as_arabic_does(days, words):
    context = context_of("confirmation", "ar") | {"valid_days": days}
    with make_app().app_context():
        mail = render_mail("confirmation", "ar", **context)

    assert f"الرابط صالح {words}" in " ".join(mail.text.split())
