"""The desk: what an editor sees of the issues, uploads, and watches."""

import io
import re
from datetime import date
from html import unescape

import pytest
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.delivery.models import DeliveryState, Tally
from newsletter.desk.models import Role
from newsletter.issues.models import Article, Issue, Subject
from newsletter.subscribers.unsubscribe import unsubscribe
from tests.desk import ADDRESS, NOW, at_the_desk, browser, piece
from tests.factories import make_issue, make_subscriber
from tests.issue_files import issue_file, sample
from tests.publishing import draft, publish, publish_week

HOSTILE = '<script>alert(1)</script> "quoted" {{ 7 * 7 }}'


def upload(editor, data, *, replace=False, name="week.md"):
    form = {"csrf_token": editor.token("/desk/upload"), "file": FileStorage(io.BytesIO(data), name)}
    boundary, body = encode_multipart(form | ({"replace": "yes"} if replace else {}))
    kind = f'multipart/form-data; boundary="{boundary}"'
    return editor.post("/desk/upload", data=body, content_type=kind)


def words(html):
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split()).replace(" ,", ",")


def test_who_brings_a_file_in_stands_in_the_log_and_beside_the_texts(app):
    anna = at_the_desk(app)
    upload(anna, issue_file())
    upload(anna, issue_file(subject="Other words"), replace=True)

    log = db.session.execute(select(AuditEntry.who, AuditEntry.what).order_by(AuditEntry.id)).all()
    assert [who for who, _what in log] == [ADDRESS] * len(log)
    assert [what for _who, what in log if "file" in what] == ["Imported a file (en)."] * 2
    assert set(db.session.scalars(select(Article.revised_by))) == {ADDRESS}


def test_a_desk_without_issues_says_what_to_do(app):
    page = at_the_desk(app).get("/desk/issues")

    assert "There is no issue here yet" in page.text
    assert 'href="/desk/upload"' in page.text


def test_an_author_at_an_empty_desk_is_told_who_begins(app):
    page = at_the_desk(app, Role.AUTHOR).get("/desk/issues")

    assert "An editor starts the first one." in page.text
    assert "/desk/upload" not in page.text


def test_the_list_shows_the_newest_issue_first_and_how_each_stands(app):
    with transaction():
        make_subscriber()
        make_subscriber(sections=["western-response"])
    publish_week(86)
    draft(sample("en"), sample("ar"))

    page = words(at_the_desk(app).get("/desk/issues").text)

    assert page.index("A quieter coast") < page.index("A quiet week")
    assert "Draft English, Arabic ISIS in Action, Western Response" in page
    assert "Being sent English ISIS in Action 0 of 1" in page


def test_a_long_list_goes_on_with_older_issues(app):
    with transaction():
        for number in range(1, 33):
            make_issue(number)
    anna = at_the_desk(app)

    first = anna.get("/desk/issues")
    older = anna.get(piece(r'href="(/desk/issues\?before=\d+)"', first.text))

    assert first.text.count("<tr>") - 1 == 30
    assert [number in older.text for number in ("Issue 2<", "Issue 1<", "Issue 3<")] == [
        True,
        True,
        False,
    ]


def test_a_file_becomes_a_draft_that_is_shown(app):
    anna = at_the_desk(app)

    taken = upload(anna, sample("en"))

    assert taken.status_code == 303
    page = anna.get(taken.headers["Location"])
    assert "The file is in." in page.text
    assert "A quieter coast, a busier south-west" in page.text
    assert "Draft" in page.text


def test_mistakes_are_listed_with_their_lines_and_the_form_is_kept(app):
    anna = at_the_desk(app)
    lines = issue_file({"ISIS in Acton": "Text."}).decode().split("\n")
    lines[2] = "date: someday <b>soon</b>"

    refused = upload(anna, "\r\n".join(lines).encode(), replace=True, name="<week>.md")

    assert refused.status_code == 400
    rows = re.findall(r'<tr><th scope="row" class="number">(\d+)</th><td>(.*?)</td>', refused.text)
    assert [int(line) for line, _ in rows] == [3, lines.index("# ISIS in Acton") + 1]
    assert "date: someday &lt;b&gt;soon&lt;/b&gt;" in rows[0][1]
    assert "# ISIS in Acton" in rows[1][1]
    assert "Did you mean" in rows[1][1]
    assert "Nothing was taken from &lt;week&gt;.md" in refused.text
    assert 'name="replace" value="yes" checked' in refused.text
    assert db.session.scalars(select(Issue)).all() == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x00\xff\xfe rubbish", "This is no UTF-8 text"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (b"", "front matter is missing"),
    ],
)
def test_a_file_that_is_no_issue_is_refused_with_a_reason(app, data, said):
    refused = upload(at_the_desk(app), data)

    assert refused.status_code == 400
    assert said in refused.text


def test_a_huge_file_is_refused_in_the_frame_of_the_desk(app):
    refused = upload(at_the_desk(app), b"x" * (3 * 1024 * 1024))

    assert refused.status_code == 413
    assert 'class="desk"' in refused.text
    assert "Log out" in refused.text


def test_no_file_is_asked_for_again(app):
    refused = at_the_desk(app).send_form("/desk/upload", {})

    assert refused.status_code == 400
    assert "Please choose a file first." in refused.text


def test_a_second_file_of_the_same_issue_and_language_must_be_meant(app):
    anna = at_the_desk(app)
    upload(anna, issue_file(subject="The first text"))

    refused = upload(anna, issue_file(subject="The second text"))

    assert refused.status_code == 409
    assert "Issue 87 has a text in this language already" in refused.text
    assert "The first text" in anna.get("/desk/issues/87").text
    assert upload(anna, issue_file(subject="The second text"), replace=True).status_code == 303
    assert "The second text" in anna.get("/desk/issues/87").text


def test_an_issue_that_is_under_way_is_not_replaced(app):
    with transaction():
        make_subscriber()
    publish_week(87)

    refused = upload(at_the_desk(app), issue_file(subject="Too late"), replace=True)

    assert refused.status_code == 409
    assert "its texts are frozen" in refused.text


def test_the_texts_of_one_issue_bear_one_date(app):
    anna = at_the_desk(app)
    upload(anna, sample("en"))

    refused = upload(anna, issue_file(language="ar", day=date(2026, 11, 24)))

    assert refused.status_code == 409
    assert "Give both the same date" in refused.text


def test_an_issue_shows_what_is_written_and_what_stands_in(app):
    draft(sample("en"), issue_file({"western-response": "نص"}, number=88, language="ar"))
    with transaction():
        make_issue(89, sections=["western-response"], languages=["en"])

    page = words(at_the_desk(app).get("/desk/issues/89").text)

    assert "ISIS in Action Nobody yet English · Empty" in page
    assert (
        "Western Response Nobody yet English · Drafted · 5 words News of western-response" in page
    )
    assert "Arabic · Empty The English text stands in." in page


def test_an_issue_can_be_taken_away_as_the_files_it_could_be_uploaded_from(app):
    draft(sample("en"), sample("ar"))
    anna = at_the_desk(app)

    links = re.findall(r'href="(/desk/issues/87/export/\w+\.md)"', anna.get("/desk/issues/87").text)

    assert len(links) == 2
    assert all(anna.get(link).status_code == 200 for link in links)


def test_a_language_in_which_only_an_article_is_written_can_be_taken_away_too(app):
    with transaction():
        issue = make_issue(languages=("en", "ar"))
        db.session.delete(issue.subject("ar", "en"))
    anna = at_the_desk(app)

    assert "/desk/issues/87/export/ar.md" in anna.get("/desk/issues/87").text
    assert 'subject: ""' in anna.get("/desk/issues/87/export/ar.md").text


def test_an_issue_that_cannot_be_sent_says_why_and_offers_no_send(app):
    with transaction():
        make_issue(sections=())

    page = at_the_desk(app).get("/desk/issues/87").text

    assert "Issue 87 has no article." in page
    assert 'href="/desk/issues/87/send"' not in page


def test_what_editors_write_is_shown_and_never_acted_on(app):
    anna = at_the_desk(app)
    upload(anna, issue_file({"western-response": HOSTILE}, subject=HOSTILE, headline=HOSTILE))

    for path in (
        "/desk/",
        "/desk/issues",
        "/desk/issues/87",
        "/desk/issues/87/preview",
        "/desk/issues/87/send",
    ):
        page = anna.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text, path
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text, path
        assert "{{ 7 * 7 }}" in unescape(page.text), path


@pytest.mark.parametrize("path", ["/desk/issues/5", "/desk/issues/5/send", "/desk/issues/999999"])
def test_an_issue_that_is_not_there_is_missed_in_the_frame_of_the_desk(app, path):
    page = at_the_desk(app).get(path)

    assert page.status_code == 404
    assert 'class="desk"' in page.text


def test_numbers_beyond_all_issues_are_no_pages(app):
    anna = at_the_desk(app)

    assert anna.get("/desk/issues/99999999999999999999").status_code == 404
    assert anna.get("/desk/issues?before=99999999999999999999").status_code == 200


def test_an_author_looks_and_uploads_nothing_since_a_file_holds_all_sections(app):
    draft(sample("en"))
    author = at_the_desk(app, Role.AUTHOR)

    assert upload(author, sample("ar")).status_code == 403
    page = author.get("/desk/issues/87")
    assert page.status_code == 200
    assert 'href="/desk/issues/87/send"' not in page.text
    assert 'href="/desk/upload' not in page.text
    assert author.get("/desk/issues/87/preview").status_code == 200
    assert db.session.scalars(select(Subject.language)).all() == ["en"]


def test_an_issue_without_any_text_breaks_no_page(app):
    with transaction():
        db.session.add(Issue(number=87, date=date(2026, 11, 17), created_at=NOW, revised_at=NOW))
    anna = at_the_desk(app)

    for path in ("", "issues", "issues/87", "issues/87/plan", "issues/87/send"):
        page = anna.get(f"/desk/{path}")
        assert page.status_code == 200, path
    assert "No subject yet" in anna.get("/desk/issues").text
    assert "ISIS in Action is still empty." in anna.get("/desk/issues/87").text


def test_the_counts_add_up_to_all_readers(app):
    with transaction():
        readers = [make_subscriber().id for _ in range(7)]
    issue = publish(issue_file())
    with transaction():
        tally = db.session.get_one(Tally, (issue.id, 1))
        tally.queued, tally.sent, tally.failed, tally.in_doubt = -6, 4, 1, 1
        unsubscribe(readers[0], issue.id, source="page", reason=None, now=NOW)

    anna = at_the_desk(app)
    moving = anna.get("/desk/issues/87/progress")
    counted = dict(re.findall(r'data-count="(\w+)">(\d+)<', moving.text))
    page = words(anna.get("/desk/issues/87").text)

    assert set(counted) == {state.value for state in DeliveryState}
    assert sum(map(int, counted.values())) == 7
    assert counted["sent"] == "4"
    assert moving.headers["Cache-Control"] == "no-store"
    assert "6 of 7 are settled" in page
    assert "All together 7" in page
    assert "Unsubscribed by a link in this issue 1" in page


def test_the_bar_shows_each_state_beside_the_one_before(app):
    with transaction():
        for _ in range(3):
            make_subscriber()
    issue = publish(issue_file())
    with transaction():
        tally = db.session.get_one(Tally, (issue.id, 1))
        tally.queued, tally.sent, tally.failed = -2, 1, 1

    page = at_the_desk(app).get("/desk/issues/87").text

    bars = re.findall(r'data-bar="(\w+)" x="(\d+)" y="0" width="(\d+)"', page)
    assert 'viewBox="0 0 3 1"' in page
    assert [bar for bar in bars if bar[2] != "0"] == [
        ("sent", "0", "1"),
        ("queued", "1", "1"),
        ("failed", "2", "1"),
    ]


def test_no_page_of_the_desk_names_a_reader(app):
    with transaction():
        make_subscriber("reader@readers.example")
    draft(issue_file(number=88))
    publish(issue_file())
    anna = at_the_desk(app)

    for path in ("", "issues/87", "issues/88", "issues/88/send", "issues/88/preview"):
        page = anna.get(f"/desk/{path}")
        assert page.status_code == 200
        assert "readers.example" not in page.text


def test_the_page_of_the_login_has_no_way_into_the_desk(app):
    page = browser(app).get("/desk/login").text

    assert "Log out" not in page
    assert "/desk/upload" not in page
