"""The part of an issue's page at the desk that moves while it is being sent."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from newsletter.database import db, transaction
from newsletter.delivery import relays, steering
from newsletter.delivery.answers import OTHER_DOMAINS, AnswerCounts
from newsletter.delivery.models import ProgressSample, Tally
from newsletter.desk.models import Role
from newsletter.mail.smtp_answers import Answer, Outcome, Stage
from tests.desk import at_the_desk, browser
from tests.factories import make_subscribers
from tests.issue_files import issue_file
from tests.publishing import draft, publish

BLOCK = "/desk/issues/87/progress"
RELAY = "mail.example:25"
ACCEPTED = Answer(Outcome.ACCEPTED, Stage.DOT, "Queued.", 250)


def sending(readers=1000, sent=400):
    """An issue on its way for a minute and more, with a sample from the middle."""
    with transaction():
        make_subscribers(readers)
    issue = publish(issue_file())
    with transaction():
        issue.sending_started_at = datetime.now(UTC) - timedelta(seconds=100)
        tally = db.session.get_one(Tally, (issue.id, 1))
        tally.queued, tally.sent = -sent, sent
        for seconds in (0, 50, 100):
            at = issue.sending_started_at + timedelta(seconds=seconds)
            settled = sent * seconds // 100
            db.session.add(ProgressSample(issue_id=issue.id, at=at, settled=settled))
    return issue


def words(page):
    """What is read, without the markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_it_says_how_fast_it_goes_and_what_is_left(app):
    sending()

    block = at_the_desk(app).get(BLOCK).text

    assert 'data-state="sending" data-tenth="4"' in block
    assert "400 of 1,000 are settled" in words(block)
    assert re.search(r"Messages a second \d", words(block))
    assert re.search(r"Time left, about \d+ \w+", words(block))


def test_the_whole_page_shows_it_too_and_says_where_it_comes_from(app):
    sending()

    page = at_the_desk(app).get("/desk/issues/87").text

    assert f'data-source="{BLOCK}"' in page
    assert "Messages a second" in page


def test_the_curve_goes_from_the_start_to_what_is_settled_now(app):
    sending()

    block = at_the_desk(app).get(BLOCK).text

    assert 'viewBox="0 0 100.0 1000"' in block
    assert 'points="0,1000 0.0,1000 50.0,800 100.0,600 "' in block
    assert "style" not in block, "the desk's policy allows no inline style"


def test_the_domains_beyond_those_that_are_counted_are_called_so(app):
    issue = sending()
    answers = AnswerCounts()
    for domain, count in (("reader.example", 3), (OTHER_DOMAINS, 2)):
        for _ in range(count):
            answers.add(RELAY, domain, ACCEPTED, issue.sending_started_at)
    answers.flush(issue.id)

    read = words(at_the_desk(app).get("/desk/issues/87").text)

    assert "reader.example 3 0 0 0 all others 2 0 0 0" in read


def test_what_a_server_says_is_shown_as_it_is_and_is_no_markup(app):
    issue = sending()
    answers = AnswerCounts()
    said = Answer(Outcome.NEVER, Stage.RCPT, "<script>alert(1)</script>", 550)
    answers.add(RELAY, "reader.example", said, issue.sending_started_at)
    answers.flush(issue.id)
    with transaction():
        relays.trip(RELAY, "421 <b>Down</b>", issue.sending_started_at)

    page = at_the_desk(app).get("/desk/issues/87").text

    assert "550 &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "421 &lt;b&gt;Down&lt;/b&gt;" in page


def test_an_author_learns_that_a_relay_fails_but_not_what_it_said(app):
    issue = sending()
    with transaction():
        relays.trip(RELAY, "421 Not for <amal@reader.example>", issue.sending_started_at)

    block = at_the_desk(app, Role.AUTHOR).get(BLOCK).text

    assert f"The mail server {RELAY} does not work" in words(block)
    assert "amal" not in block


def test_while_it_is_paused_it_has_no_pace(app):
    issue = sending()
    with transaction():
        steering.pause(issue.id, who="anna", now=issue.sending_started_at)

    block = at_the_desk(app).get(BLOCK).text

    assert 'data-state="paused"' in block
    assert "Messages a second" not in block


def test_an_issue_that_nobody_sent_has_no_progress(app):
    draft(issue_file())

    assert at_the_desk(app).get(BLOCK).status_code == 404


def test_strangers_see_nothing_of_it(app):
    sending()

    answer = browser(app).get(BLOCK)

    assert answer.status_code == 303
    assert "/desk/login" in answer.headers["Location"]


def test_the_pace_is_drawn_as_time_went_by(app):
    sending()

    block = at_the_desk(app).get(BLOCK).text

    assert "The pace as time went by: at most 4 messages a second" in words(block)
    assert 'viewBox="0 0 40 100"' in block


def test_a_page_that_shows_just_this_is_sent_nothing(app):
    issue = sending()
    with transaction():
        steering.pause(issue.id, who="anna", now=issue.sending_started_at)
    desk = at_the_desk(app)
    known = {"If-None-Match": desk.get(BLOCK).headers["ETag"]}

    unchanged = desk.get(BLOCK, headers=known)
    with transaction():
        db.session.get_one(Tally, (issue.id, 1)).failed = 1
    changed = desk.get(BLOCK, headers=known)

    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert changed.status_code == 200
    assert "data-failed" in changed.text


def test_what_to_do_about_failures_shows_itself_when_there_are_some(app):
    issue = sending()
    desk = at_the_desk(app)
    before = desk.get("/desk/issues/87").text
    with transaction():
        db.session.get_one(Tally, (issue.id, 1)).failed = 1
    after = desk.get("/desk/issues/87").text

    assert "data-wrong hidden" in before
    assert "data-wrong-failed hidden" in before
    assert "data-wrong hidden" not in after
    assert "data-wrong-failed>" in after
    assert "data-wrong-doubts hidden" in after
