"""Pictures in an issue: put in at the desk, shown to everybody by an address nobody guesses."""

import re
from html import unescape
from io import BytesIO

import pytest
from PIL import Image as Pillow
from sqlalchemy import select

from newsletter.database import db, transaction
from newsletter.desk.assignments import assign
from newsletter.desk.models import Editor, Role
from newsletter.issues import choice as choices
from newsletter.issues.editions import render_edition
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Article, Format, Image, Issue
from newsletter.issues.pictures import LARGEST_FILE
from tests.desk import at_the_desk, browser, piece
from tests.factories import section_called
from tests.issue_files import issue_file
from tests.publishing import draft

IMAGES = "/desk/issues/87/images"
LINE = "a-line-between"
JSON = {"Accept": "application/json"}


def photograph(width=1600, height=1000, kind="JPEG"):
    written = BytesIO()
    across = Pillow.linear_gradient("L").resize((width, height))
    Pillow.merge("RGB", (across, across.rotate(180), across)).save(written, kind)
    return written.getvalue()


def put_in(editor, data=None, **options):
    data = photograph() if data is None else data
    return send_file(editor, IMAGES, data, **options)


def send_file(editor, path, data, token=None, **options):
    """Post a form with a file, as the bytes that a browser sends: those may be many."""
    fields = {"csrf_token": token or editor.token("/desk/upload")}
    parts = [
        f'--{LINE}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{LINE}\r\nContent-Disposition: form-data; name="file"; filename="IMG_0001.jpg"\r\n\r\n'
    )
    body = "".join([*parts, head]).encode() + data + f"\r\n--{LINE}--\r\n".encode()
    return editor.post(
        path, data=body, content_type=f"multipart/form-data; boundary={LINE}", **options
    )


def put_in_by_script(editor, data=None):
    return put_in(editor, data, headers=JSON)


def issue_87():
    query = select(Issue).where(Issue.number == 87)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def path_of(url):
    return "/" + url.split("/", 3)[3]


@pytest.fixture
def anna(app):
    draft(issue_file({"western-response": "Paris sends a frigate."}))
    return at_the_desk(app)


def test_a_picture_put_in_is_answered_with_the_markdown_that_shows_it(anna):
    answer = put_in_by_script(anna)

    assert answer.status_code == 200
    assert re.fullmatch(r"!\[Describe the picture\]\((http.+\.jpg)\)", answer.json["markdown"])
    assert answer.json["url"] in answer.json["markdown"]
    assert "IMG_0001" not in answer.text


def test_it_is_there_for_everybody_in_each_of_its_sizes_and_never_changes(app, anna):
    path = path_of(put_in_by_script(anna).json["url"])
    anybody = browser(app)

    for address, width in ((path, 1200), (path.replace(".", "-600."), 600)):
        shown = anybody.get(address)
        assert shown.status_code == 200
        assert shown.content_type == "image/jpeg"
        assert Pillow.open(BytesIO(shown.data)).width == width
        assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in shown.headers
        again = anybody.get(address, headers={"If-None-Match": shown.headers["ETag"]})
        assert again.status_code == 304


def test_an_address_that_names_no_picture_is_not_found(app, anna):
    path = path_of(put_in_by_script(anna).json["url"])

    for other in (
        path.replace(".jpg", ".png"),
        path.replace(".", "-601."),
        path.replace(".", "-99999999999999999999."),
        re.sub("[0-9a-f]{32}", "0" * 32, path),
        "/images/.jpg",
        "/images/x.svg",
    ):
        assert browser(app).get(other).status_code == 404, other


def test_who_has_no_script_gets_a_page_with_the_picture_and_the_line_for_the_text(anna):
    answer = put_in(anna)

    assert answer.status_code == 303
    page = anna.get(answer.headers["Location"]).text
    line = piece(r'readonly value="([^"]+)"', page)
    assert line.startswith("![Describe the picture](http")
    assert f'<img src="{line[24:-1]}"' in page


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "Please choose a picture first."),
        (b"<svg onload='alert(1)'/>", "This is no picture that we can read."),
        (b"\xff" * (LARGEST_FILE + 1), "The file is larger than 10 MB."),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(anna, data, sentence):
    told, shown = put_in_by_script(anna, data), put_in(anna, data)

    assert told.status_code == shown.status_code == 422
    assert sentence in told.json["said"]
    assert sentence in shown.text
    assert db.session.scalars(select(Image)).all() == []


def test_a_file_beyond_all_bounds_is_not_even_read(anna):
    answer = put_in(anna, b"\xff" * (LARGEST_FILE + 1024 * 1024))

    assert answer.status_code == 413


def test_other_forms_take_no_more_than_before(anna):
    answer = send_file(anna, "/desk/upload", b"x" * 3 * 1024 * 1024)

    assert answer.status_code == 413


def test_a_picture_in_a_heavy_file_is_taken(anna):
    heavy = photograph(2400, 1500, "PNG") + b"\0" * (6 * 1024 * 1024)

    assert put_in_by_script(anna, heavy).status_code == 200


def test_an_author_puts_pictures_into_the_issues_they_write_in_and_no_others(app):
    draft(issue_file())
    author = at_the_desk(app, Role.AUTHOR)

    assert put_in(author).status_code == 403
    assert author.get(IMAGES).status_code == 403

    with transaction():
        bert = db.session.scalars(select(Editor)).one()
        assign(issue_87().id, section_called("western-response").id, [bert.id])
    assert put_in_by_script(author).status_code == 200


def test_nobody_puts_a_picture_in_without_the_token_of_the_form(anna):
    answer = send_file(anna, IMAGES, photograph(), token="no")

    assert answer.status_code == 400
    assert db.session.scalars(select(Image)).all() == []


def test_a_picture_put_into_an_approved_issue_takes_the_approval_back(anna):
    with transaction():
        issue = issue_87()
        issue.approved_at, issue.approved_by = issue.revised_at, "anna@example.org"

    put_in(anna)

    assert issue_87().approved_at is None


def test_an_issue_that_was_sent_takes_no_picture(app, anna):
    with transaction():
        issue = issue_87()
        issue.state, issue.sending_started_at = IssueState.SENDING, issue.revised_at

    told = put_in_by_script(anna)

    assert told.status_code == 409
    assert "no draft any more" in told.json["said"]
    assert db.session.scalars(select(Image)).all() == []


def shown_in(anna, markdown):
    """An issue with a picture in its text, as it is rendered for mails."""
    with transaction():
        db.session.scalars(select(Article)).one().body = markdown
    return render_edition(issue_87(), "en", choices.ALL, Format.HTML)


def test_a_mail_shows_the_narrow_size_as_wide_as_its_column_with_its_words(anna):
    url = put_in_by_script(anna).json["url"]

    edition = shown_in(anna, f"![A map of Derna]({url})")

    (image,) = re.findall(r"<img [^>]*>", edition.html)
    assert f'src="{url.replace(".jpg", "-600.jpg")}"' in image
    assert 'alt="A map of Derna"' in image
    assert 'width="572"' in image
    assert "max-width:100%" in image
    assert "srcset" not in image
    assert "[Image: A map of Derna]" in edition.text


def test_a_small_picture_is_not_blown_up_in_a_mail(anna):
    url = put_in_by_script(anna, photograph(200, 100)).json["url"]

    edition = shown_in(anna, f"![A map of Derna]({url})")

    assert re.search(r'<img [^>]*width="200"', edition.html)


def test_pages_and_feeds_show_it_in_the_size_that_the_browser_wants(app, anna):
    url = put_in_by_script(anna).json["url"]
    shown_in(anna, f"![A map of Derna]({url})")
    with transaction():
        issue = issue_87()
        issue.state, issue.sending_started_at = IssueState.SENDING, issue.revised_at
    wide, narrow = (url.replace(".jpg", f"-{width}.jpg") for width in (1200, 600))

    for page in ("/issues/87", "/issues/87/western-response", "/feed.xml"):
        shown = unescape(browser(app).get(page).text)
        (image,) = re.findall(r"<img [^>]*Derna[^>]*>", shown)
        assert f'src="{wide}"' in image
        assert f'srcset="{narrow} 600w, {wide} 1200w"' in image
        assert 'width="1200" height="750"' in image
        assert 'alt="A map of Derna"' in image


def test_an_address_that_only_looks_like_one_of_ours_is_shown_as_it_is(anna):
    gone = re.sub("[0-9a-f]{32}", "0" * 32, put_in_by_script(anna).json["url"])

    edition = shown_in(anna, f"![A map]({gone}) ![Theirs](https://evil.example{path_of(gone)})")

    assert re.findall(r'<img src="([^"]*)"', edition.html) == [gone]


class SlowBody(BytesIO):
    """What a visitor sends, with a look at the database whenever more of it is waited for."""

    def __init__(self, data, pool):
        super().__init__(data)
        self._pool = pool
        self.held = set()

    def readinto(self, buffer):
        self.held.add(self._pool.checkedout())
        return super().readinto(buffer)


def test_while_a_picture_comes_in_no_connection_to_the_database_is_held(app):
    browser = at_the_desk(app)
    db.session.remove()
    body = SlowBody(b"--x\r\n" + bytes(100_000) + b"\r\n--x--\r\n", db.engine.pool)

    browser.post(
        IMAGES,
        input_stream=body,
        content_type="multipart/form-data; boundary=x",
        content_length=len(body.getvalue()),
    )

    assert body.held == {0}
