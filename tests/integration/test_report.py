"""The report of an issue: what became of it, counted by a task, shown at the desk."""

import csv
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select, update

from newsletter.database import db, transaction
from newsletter.delivery import report, steering
from newsletter.delivery.doubts import Decision, settle
from newsletter.delivery.models import Delivery, DeliveryState, ReportLine, Tally
from newsletter.delivery.report import Dimension, issues_to_count, lines_of
from newsletter.delivery.tasks import count_reports
from newsletter.desk.models import Role
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Format
from newsletter.subscribers.models import (
    Bounce,
    BounceKind,
    ConsentEvent,
    ConsentKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers.suppression import reason_of
from newsletter.subscribers.unsubscribe import unsubscribe
from tests.desk import at_the_desk, browser
from tests.factories import NOON, make_subscriber
from tests.issue_files import issue_file
from tests.publishing import draft, publish

SECTIONS = {"ISIS in Action": "Eleven incidents.", "Western Response": "Two statements."}
REPORT = "/desk/issues/87/report"


def readers():
    """Six in English who take all, two in Arabic in plain text, one of one section alone."""
    with transaction():
        for n in range(6):
            make_subscriber(f"reader{n}@large.example")
        for n in range(2):
            make_subscriber(f"qari{n}@small.example", language="ar", format=Format.TEXT)
        make_subscriber("one@other.example", sections=["western-response"])


def sent(*, number=87, failed=(), began=None):
    """An issue that is done: all got it but those it failed for."""
    issue = publish(issue_file(SECTIONS, number=number), now=began or datetime.now(UTC))
    with transaction():
        gone = select(Subscriber.id).where(Subscriber.address.in_(failed))
        of_issue = update(Delivery).where(Delivery.issue_id == issue.id)
        db.session.execute(of_issue.values(state=DeliveryState.SENT))
        db.session.execute(
            of_issue.where(Delivery.subscriber_id.in_(gone)).values(state=DeliveryState.FAILED)
        )
        of_it = select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue.id)
        total = db.session.scalar(of_it) or 0
        tally = db.session.get_one(Tally, (issue.id, 1))
        tally.queued, tally.sent, tally.failed = -total, total - len(failed), len(failed)
        issue.state, issue.completed_at = IssueState.SENT, began or datetime.now(UTC)
    return issue


def reader(address):
    return db.session.scalars(select(Subscriber).where(Subscriber.address == address)).one()


def counted(issue, dimension):
    """What was counted, by name: sent, failed, bounced, unsubscribed."""
    return {
        line.name: (line.sent, line.failed, line.bounced, line.unsubscribed)
        for line in lines_of(issue.id)[dimension]
    }


def bounce(issue, address, at=None):
    with transaction():
        delivery = db.session.scalars(
            select(Delivery).where(
                Delivery.issue_id == issue.id, Delivery.subscriber_id == reader(address).id
            )
        ).one()
        db.session.add(
            Bounce(
                subscriber_id=delivery.subscriber_id,
                delivery_id=delivery.id,
                kind=BounceKind.SOFT,
                status="4.2.2",
                text="The mailbox is full.",
                at=at or datetime.now(UTC),
            )
        )


def leave(issue, address, reason=None):
    with transaction():
        unsubscribe(
            reader(address).id, issue.id, source="page", reason=reason, now=datetime.now(UTC)
        )


def count_reports_at(moment):
    """Let what was counted be of that moment."""
    with transaction():
        db.session.execute(update(ReportLine).values(counted_at=moment))


def words(page):
    """What is read, without the markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_readers_are_told_apart_by_language_sections_format_and_domain(app):
    readers()
    issue = sent(failed=["reader0@large.example", "one@other.example"])

    count_reports()

    assert counted(issue, Dimension.ALL) == {"": (7, 2, 0, 0)}
    assert counted(issue, Dimension.LANGUAGE) == {"en": (5, 2, 0, 0), "ar": (2, 0, 0, 0)}
    assert counted(issue, Dimension.FORMAT) == {"html": (5, 2, 0, 0), "text": (2, 0, 0, 0)}
    assert list(counted(issue, Dimension.SECTIONS).values()) == [(7, 1, 0, 0), (0, 1, 0, 0)]


def test_a_domain_of_a_few_readers_is_not_told_from_the_others(app):
    readers()
    issue = sent()

    count_reports()

    assert counted(issue, Dimension.DOMAIN) == {"large.example": (6, 0, 0, 0), "*": (3, 0, 0, 0)}


def test_only_the_largest_domains_have_a_line_of_their_own(app):
    with transaction():
        for domain in range(22):
            for n in range(5 + (domain == 7)):
                make_subscriber(f"reader{n}@mail-{domain:02}.example")
    issue = sent()

    count_reports()

    found = counted(issue, Dimension.DOMAIN)
    assert len(found) == 21
    assert next(iter(found.items())) == ("mail-07.example", (6, 0, 0, 0))
    assert list(found.items())[-1] == ("*", (10, 0, 0, 0))


def test_bounces_are_counted_once_a_mail_and_who_left_with_the_issue_that_made_them(app):
    readers()
    issue = sent()
    bounce(issue, "reader1@large.example")
    bounce(issue, "reader1@large.example")
    leave(issue, "qari0@small.example")

    count_reports()

    assert counted(issue, Dimension.LANGUAGE) == {"en": (7, 0, 1, 0), "ar": (2, 0, 0, 1)}
    assert counted(issue, Dimension.DOMAIN)["large.example"] == (6, 0, 1, 0)


def test_those_who_were_erased_are_still_counted_and_have_no_domain(app):
    readers()
    issue = sent()
    with transaction():
        for n in range(5):
            gone = reader(f"reader{n}@large.example")
            gone.address, gone.address_key, gone.state = "", None, SubscriberState.ERASED

    count_reports()

    assert counted(issue, Dimension.DOMAIN) == {"*": (9, 0, 0, 0)}


def test_an_issue_is_counted_when_it_is_done_and_not_before(app):
    readers()
    issue = sent()
    with transaction():
        issue.state, issue.completed_at = IssueState.SENDING, None
    assert issues_to_count(now=datetime.now(UTC)) == []

    with transaction():
        issue.state, issue.completed_at = IssueState.SENT, datetime.now(UTC)

    assert issues_to_count(now=datetime.now(UTC)) == [issue.id]


def test_it_is_counted_again_every_day_for_two_weeks(app):
    readers()
    issue = sent()
    count_reports()
    now = datetime.now(UTC)

    assert issues_to_count(now=now) == []
    assert issues_to_count(now=now + timedelta(hours=23)) == []
    assert issues_to_count(now=now + timedelta(hours=25)) == [issue.id]
    assert issues_to_count(now=now + timedelta(days=15)) == []


def test_bounces_let_it_be_counted_again_sooner_and_also_late(app):
    readers()
    issue = sent()
    count_reports()
    now = datetime.now(UTC)
    bounce(issue, "reader1@large.example", at=now)

    assert issues_to_count(now=now + timedelta(minutes=5)) == []
    assert issues_to_count(now=now + timedelta(minutes=61)) == [issue.id]

    count_reports_at(now + timedelta(days=14))
    late = now + timedelta(days=30)
    assert issues_to_count(now=late) == []
    bounce(issue, "reader2@large.example", at=late)
    assert issues_to_count(now=late + timedelta(minutes=1)) == [issue.id]


def test_it_is_counted_again_when_a_doubt_is_settled_also_during_the_counting(app):
    readers()
    issue = sent()
    with transaction():
        steering.move(issue.id, DeliveryState.SENT, DeliveryState.IN_DOUBT, marked_at=NOON)
    count_reports()
    assert counted(issue, Dimension.DOMAIN) == {"large.example": (0,) * 4, "*": (0,) * 4}
    begun = datetime.now(UTC)
    as_they_were = report.count_lines(issue.id)

    with transaction():
        settle(issue.id, None, Decision.DELIVERED, who="anna@example.org", now=begun)
    with transaction():
        report.keep_lines(issue.id, as_they_were, now=begun)
    count_reports()

    assert counted(issue, Dimension.DOMAIN)["large.example"] == (6, 0, 0, 0)
    assert issues_to_count(now=datetime.now(UTC)) == []


def test_only_the_latest_bounces_are_looked_at_every_minute(app):
    """As many as came in a day; without this a million of years ago would be read again."""
    readers()
    issue = sent()
    bounce(issue, "reader1@large.example")
    asked = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *event: asked.append(event[2:4]))
    issues_to_count(now=datetime.now(UTC))
    ((statement, parameters),) = (one for one in asked if one[0].startswith("SELECT"))
    explain = "EXPLAIN QUERY PLAN"
    if db.engine.dialect.name == "postgresql":
        explain = "EXPLAIN"
        for way in ("seqscan", "nestloop"):  # which it takes where there is so little
            db.session.execute(sa.text(f"SET LOCAL enable_{way} = off"))

    connection = db.session.connection()
    plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()

    assert "ix_bounce_at" in str(plan)


def test_counting_again_replaces_what_was_counted(app):
    readers()
    issue = sent()
    count_reports()
    with transaction():
        db.session.execute(
            update(ReportLine).values(counted_at=datetime.now(UTC) - timedelta(days=2), sent=1)
        )

    count_reports()

    assert counted(issue, Dimension.ALL) == {"": (9, 0, 0, 0)}


def test_a_count_that_took_long_does_not_replace_one_that_was_begun_later(app):
    readers()
    issue = sent()
    begun = datetime.now(UTC)
    late = report.count_lines(issue.id)
    late[Dimension.ALL, ""]["sent"] = 1
    count_reports()

    with transaction():
        report.keep_lines(issue.id, late, now=begun)

    assert counted(issue, Dimension.ALL) == {"": (9, 0, 0, 0)}


def test_the_page_says_what_became_of_it(app):
    readers()
    issue = sent(failed=["one@other.example"])
    leave(issue, "qari0@small.example", "too_much: Every week is too often.")
    count_reports()

    read = words(at_the_desk(app).get(REPORT).text)

    assert "Sent 8 of 9 Failed 1 In doubt 0 Bounced later 0 Complaints 0 Unsubscribed 1" in read
    assert "English 7 6 0 1 0 0 0 0 Arabic 2 2 0 0 0 0 0 1" in read
    assert "All sections of the issue 8" in read
    assert "large.example 6" in read
    assert "all others 3" in read
    assert "It is too much to read 1" in read
    assert "Every week is too often." in read


def test_the_page_names_no_reader_though_they_write_their_address(app):
    readers()
    issue = sent(failed=["one@other.example"])
    leave(issue, "reader3@large.example", "other: write to reader3@large.example instead")
    count_reports()

    page = at_the_desk(app).get(REPORT).text

    assert "instead" in page
    assert not re.search(r"(reader|qari|one)\d*@", page)


def test_authors_see_the_figures_but_not_what_readers_wrote(app):
    readers()
    issue = sent()
    leave(issue, "reader3@large.example", "unsafe: They ask at the checkpoint.")
    count_reports()

    page = at_the_desk(app, Role.AUTHOR).get(REPORT).text

    assert "It is not safe for me" in page
    assert "checkpoint" not in page


def test_what_readers_wrote_is_no_markup(app):
    readers()
    issue = sent()
    leave(issue, "reader3@large.example", "<script>alert(1)</script>")

    page = at_the_desk(app).get(REPORT).text

    assert "&lt;script&gt;alert(1)" in page


def test_before_it_is_counted_the_page_has_what_the_tallies_know(app):
    readers()
    sent()

    read = words(at_the_desk(app).get(REPORT).text)

    assert "Sent 9 of 9" in read
    assert "Bounced later –" in read
    assert "It is being counted" in read


def test_it_stands_beside_earlier_issues_and_later_ones_do_not_matter(app):
    readers()
    weeks = [datetime.now(UTC) - timedelta(weeks=ago) for ago in (2, 1, 0)]
    sent(number=86, began=weeks[0], failed=["one@other.example"])
    sent(number=87, began=weeks[1])
    sent(number=88, began=weeks[2])

    page = at_the_desk(app).get(REPORT).text

    assert '<a href="/desk/issues/86/report">86</a>' in page
    assert "/desk/issues/88/report" not in page
    assert "usually 8" in words(page)
    assert page.count('class="this"') == 3, "one filled bar in each chart"


def test_a_complaint_counts_for_the_issue_the_reader_got_last_and_for_their_kind(app):
    readers()
    earlier = sent(number=86, began=datetime.now(UTC) - timedelta(weeks=1))
    issue = sent(failed=["one@other.example"])
    with transaction():
        deliveries = update(Delivery)
        now = datetime.now(UTC)
        in_doubt = {"state": DeliveryState.IN_DOUBT, "marked_at": now, "dated_at": now}
        db.session.execute(deliveries.where(Delivery.issue_id == earlier.id).values(in_doubt))
        is_sent = Delivery.issue_id == issue.id, Delivery.state == DeliveryState.SENT
        db.session.execute(deliveries.where(*is_sent).values(settled_at=now))
    desk = at_the_desk(app, Role.ADMIN)

    for address in ("qari1@small.example", "one@other.example"):
        page = f"/desk/subscribers/{reader(address).id}"
        desk.send_form(f"{page}/complaint", page=page)
        db.session.rollback()
        assert reason_of(reader(address).address_key or "") == SuppressionReason.COMPLAINT
    count_reports()

    assert "Complaints 1" in words(desk.get(REPORT).text)
    assert "Complaints 1" in words(desk.get("/desk/issues/86/report").text)  # where it had failed
    db.session.rollback()
    by_language = lines_of(issue.id)[Dimension.LANGUAGE]
    assert {line.name: line.complained for line in by_language} == {"en": 0, "ar": 1}


def test_the_file_says_the_same_with_the_slugs_of_the_sections(app):
    readers()
    sent(failed=["one@other.example"])
    count_reports()

    answer = at_the_desk(app).get(REPORT + ".csv")

    rows = [tuple(row[:4]) for row in csv.reader(answer.text.splitlines())]
    assert rows[0] == ("by", "name", "sent", "failed")
    assert ("all", "", "8", "1") in rows
    assert ("sections", "western-response", "0", "1") in rows
    assert ("domain", "*", "2", "1") in rows
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "issue-87-report.csv" in answer.headers["Content-Disposition"]


def test_all_issues_stand_beside_each_other(app):
    readers()
    sent(number=86, began=datetime.now(UTC) - timedelta(weeks=1))
    sent(number=87, failed=["one@other.example"])

    read = words(at_the_desk(app).get("/desk/reports").text)

    assert re.search(r"87 · .* A quiet week 9 8 1 0 0 – 0 0 86 · ", read)


def test_without_any_issue_the_page_of_all_says_so(app):
    assert "No issue has gone out yet" in at_the_desk(app).get("/desk/reports").text


@pytest.mark.parametrize("path", [REPORT, REPORT + ".csv", "/desk/reports?before=87"])
def test_an_issue_that_nobody_sent_has_no_report(app, path):
    draft(issue_file())

    assert at_the_desk(app).get(path).status_code == 404


@pytest.mark.parametrize("path", [REPORT, REPORT + ".csv", "/desk/reports"])
def test_strangers_see_no_report(app, path):
    readers()
    sent()

    assert "/desk/login" in browser(app).get(path).headers["Location"]


def test_an_unsubscribe_from_elsewhere_is_not_the_issues(app):
    readers()
    issue = sent()
    with transaction():
        db.session.add(
            ConsentEvent(
                subscriber_id=reader("reader4@large.example").id,
                kind=ConsentKind.UNSUBSCRIBED,
                at=datetime.now(UTC),
                source="page",
            )
        )

    count_reports()

    assert counted(issue, Dimension.ALL) == {"": (9, 0, 0, 0)}
