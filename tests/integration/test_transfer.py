"""Lists come in and go out; what is good is kept, and nobody who left is brought back."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from newsletter.database import db, transaction
from newsletter.notices.models import NoticeKind
from newsletter.subscribers.import_file import BadImportFile, read_lines
from newsletter.subscribers.models import (
    ConsentKind,
    Signup,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from newsletter.subscribers.record import describe
from newsletter.subscribers.suppression import suppress
from newsletter.subscribers.transfer import CHUNK, Import, export_subscribers, in_chunks
from tests.factories import choice_of, make_subscriber
from tests.integration.readers import (
    answer_signups,
    events,
    look_again,
    notices,
    the_subscriber,
)

AMAL = "amal@reader.example"
NOW = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "readers.csv"


def bring_in(text, name="members.csv"):
    data = text.encode() if isinstance(text, str) else text
    importing = Import(name, now=NOW)
    for lines in in_chunks(read_lines(io.BytesIO(data))):
        with transaction():
            importing.take(lines)
    look_again()
    return importing.report


def refused(report):
    return {problem.line: problem.sentence for problem in report.refused}


def signups():
    look_again()
    return list(db.session.scalars(select(Signup)))


def test_who_has_consented_on_paper_is_confirmed_and_not_mailed(app):
    report = bring_in(
        "address,language,sections,consented_at,source\r\n"
        "Amal@Reader.example,ar,isis-in-action western-response,2025-05-14T09:30:00+02:00,"
        '"paper list, Tunis"\r\n'
    )

    assert (report.imported, report.invited, report.known, report.refused) == (1, 0, 0, [])
    reader = the_subscriber()
    assert reader.state is SubscriberState.CONFIRMED
    assert reader.confirmed_at == datetime(2025, 5, 14, 7, 30, tzinfo=UTC)
    assert reader.subscription.choice == choice_of("isis-in-action", "western-response")
    assert reader.subscription.language == "ar"
    (event,) = events()
    assert (event.kind, event.at, event.source) == (
        ConsentKind.IMPORTED,
        reader.confirmed_at,
        "paper list, Tunis",
    )
    assert notices() == []


def test_who_has_not_is_asked_first(app):
    report = bring_in(f"address,sections\n{AMAL},western-response\n")
    assert (report.imported, report.invited) == (0, 1)
    (signup,) = signups()
    assert (signup.source, signup.choice) == ("import:members.csv", choice_of("western-response"))

    answer_signups(NOW)
    assert len(notices(NoticeKind.CONFIRMATION)) == 1
    assert the_subscriber().state is SubscriberState.PENDING


def test_only_the_address_is_needed_in_any_order_with_any_line_end(app):
    report = bring_in("\ufeffSource , ADDRESS\r\nfair,amal@reader.example\r\n\r\n,b@reader.example")

    assert report.invited == 2
    assert {signup.language for signup in signups()} == {"en"}


def test_the_sample_list_comes_in_whole(app):
    report = bring_in(SAMPLE.read_bytes())

    assert report.refused == []
    assert report.imported == 30


def test_a_list_that_comes_twice_changes_nothing_the_second_time(app):
    text = f"address,consented_at\n{AMAL},2025-05-14\n"
    bring_in(text)
    report = bring_in(text)

    assert (report.imported, report.known) == (0, 1)
    assert len(events()) == 1


def test_what_is_wrong_is_listed_by_line_and_the_rest_is_kept(app):
    report = bring_in(
        "address,language,sections,consented_at\n"
        "good@reader.example,en,,2025-05-14\n"
        "no address,en,,\n"
        ",,,\n"
        "a@reader.example,tlh,,\n"
        "b@reader.example,en,gossip,\n"
        "c@reader.example,en,,yesterday\n"
        "d@reader.example,en,,2999-01-01\n"
        "GOOD@reader.example,en,,2025-05-14\n"
        "e@reader.example,en,,,one,too,many\n"
        '"two\nlines@reader.example",en,,\n'
        "fine@reader.example,en,western-response,2025-05-14\n"
    )

    assert report.imported == 2
    found = refused(report)
    assert sorted(found) == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert "space" in found[3] or "no @" in found[3]
    assert "en, ar" in found[5]
    assert "western-response" in found[6]
    assert "2025-05-14" in found[7]
    assert "future" in found[8]
    assert "line 2 already" in found[9]
    assert "values" in found[10]


def test_a_line_that_is_not_utf8_is_listed_and_the_rest_is_kept(app):
    report = bring_in(
        b"address,source\na@reader.example,caf\xe9\nb@reader.example,x\x00y\nc@reader.example,\n"
    )

    assert report.invited == 1
    assert sorted(refused(report)) == [2, 3]


def test_an_open_quotation_mark_is_named_with_the_line_it_stands_in(app):
    report = bring_in('address,source\na@reader.example,fair\nb@reader.example,"fair\n')

    assert report.invited == 1
    assert "quotation" in refused(report)[3]


def test_a_stray_quotation_mark_costs_its_own_line_and_no_other(app):
    count = 2 * CHUNK
    stray = 'stray@reader.example,2026-01-01,"an unclosed quote\n'
    good = "".join(
        f"reader{n}@reader.example,2026-01-01,a long talk {'.' * 300}\n" for n in range(count)
    )
    report = bring_in("address,consented_at,source\n" + stray + good)

    assert report.imported == count
    assert list(refused(report)) == [2]
    assert "quotation" in refused(report)[2]


def test_a_list_left_half_read_leaves_nothing_open(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("address\na@reader.example\nb@reader.example\n")
    file = path.open("rb")
    lines = read_lines(file)
    next(lines)
    del lines

    assert file.closed


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:00:00-02:00"])
def test_a_time_of_consent_that_no_calendar_holds_in_utc_is_listed(app, time):
    report = bring_in(
        f"address,consented_at\na@reader.example,{time}\nb@reader.example,2025-05-14\n"
    )

    assert report.imported == 1
    assert "2025-05-14" in refused(report)[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "amal@reader.example\n",
        "language,sections\n",
        "address,adress\n",
        "address,address\n",
        "address;language\n",
        "address\n".encode("utf-16").decode("latin-1"),
        '"address\n',
    ],
)
def test_a_file_without_the_names_of_the_columns_is_refused_whole(app, text):
    with pytest.raises(BadImportFile, match="first line must name the columns"):
        bring_in(text)


def test_nobody_who_left_or_is_suppressed_is_brought_back(app):
    with transaction():
        make_subscriber("gone@reader.example", state=SubscriberState.UNSUBSCRIBED)
        for reason in SuppressionReason:
            suppress(f"{reason}@reader.example", reason, source="test", now=NOW)
    lines = [f"{name}@reader.example,2025-05-14\n" for name in ("gone", *SuppressionReason)]
    report = bring_in("address,consented_at\n" + "".join(lines))

    assert (report.imported, report.invited) == (0, 0)
    assert "left" in refused(report)[2]
    assert all("suppressed" in refused(report)[line] for line in range(3, 7))
    assert the_subscriber("gone@reader.example").state is SubscriberState.UNSUBSCRIBED
    assert db.session.scalar(select(func.count(Subscriber.id))) == 1


def test_nobody_who_left_is_asked_by_a_list(app):
    with transaction():
        make_subscriber("gone@reader.example", state=SubscriberState.UNSUBSCRIBED)
    report = bring_in("address\ngone@reader.example\n")

    assert "left" in refused(report)[2]
    assert signups() == []


def test_who_waits_for_a_confirmation_is_confirmed_by_a_recorded_consent(app):
    bring_in(f"address\n{AMAL}\n")
    answer_signups(NOW)
    report = bring_in(f"address,consented_at,language\n{AMAL},2025-05-14,ar\n")

    assert report.imported == 1
    assert the_subscriber().state is SubscriberState.CONFIRMED
    assert the_subscriber().subscription.language == "ar"


def test_what_goes_out_comes_in_again(app):
    bring_in(
        "address,language,sections,consented_at,source\n"
        f"{AMAL},ar,western-response isis-in-action,2025-05-14,fair\n"
        "+basim@reader.example,en,,2025-05-15,=HYPERLINK()\n"
    )
    with transaction():
        make_subscriber("gone@reader.example", state=SubscriberState.UNSUBSCRIBED)
        make_subscriber("bounced@reader.example", suppressed_at=NOW)
        make_subscriber("waiting@reader.example", state=SubscriberState.PENDING)
    out = "\r\n".join(export_subscribers())
    before = {row["address"]: row for row in csv.DictReader(io.StringIO(out))}
    assert before[AMAL] == {
        "address": AMAL,
        "language": "ar",
        "sections": "isis-in-action western-response",
        "consented_at": "2025-05-14T00:00:00+00:00",
        "source": "fair",
        "state": "confirmed",
    }
    assert before["gone@reader.example"]["state"] == "unsubscribed"
    assert before["bounced@reader.example"]["state"] == "suppressed"

    forget_everybody()
    report = bring_in(out, "export.csv")
    assert report.imported == 2
    assert report.invited == 1
    assert len(report.refused) == 2
    after = {
        row["address"]: row for row in csv.DictReader(io.StringIO("\n".join(export_subscribers())))
    }
    assert after == {name: before[name] for name in after}
    assert the_subscriber("+basim@reader.example")


def forget_everybody():
    look_again()
    with transaction():
        for table in ("consent_event", "signup", "subscription", "subscriber"):
            db.session.execute(db.metadata.tables[table].delete())


def test_no_cell_that_goes_out_is_a_formula(app):
    bring_in(
        "address,consented_at,source\n"
        "=cmd@reader.example,2025-05-14,=1+1\n"
        "-b@reader.example,2025-05-14,@SUM(A1)\n"
    )
    rows = list(csv.reader(export_subscribers()))

    assert rows[0] == ["address", "language", "sections", "consented_at", "source", "state"]
    assert len(rows) == 3
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_a_list_of_any_length_goes_out_page_by_page(app):
    count = CHUNK * 2 + 1
    rows = "".join(f"reader{n}@reader.example,2025-05-14\n" for n in range(count))
    assert bring_in("address,consented_at\n" + rows).imported == count

    lines = 0
    for _line in export_subscribers():
        lines += 1
        assert not db.session().in_transaction(), "a pager may hold us up for hours"
    assert lines == count + 1


def test_one_address_can_be_described_with_all_that_proves_its_consent(app):
    bring_in(f"address,consented_at,sections\n{AMAL},2025-05-14,western-response\n")
    with transaction():
        suppress("no@reader.example", SuppressionReason.COMPLAINT, source="test", now=NOW)

    record = describe(" AMAL@reader.example ")
    assert record
    assert record.subscriber
    assert record.subscriber.state is SubscriberState.CONFIRMED
    assert record.sections == ["western-response"]
    assert [event.kind for event in record.events] == [ConsentKind.IMPORTED]
    suppressed = describe("no@reader.example")
    assert suppressed
    assert suppressed.suppressed is SuppressionReason.COMPLAINT
    assert describe("nobody@reader.example") is None


@given(
    data=st.binary(max_size=200) | st.text(max_size=200).map(lambda s: s.encode("utf-8", "replace"))
)
@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_stands_in_a_file_is_taken_or_listed(app, data):
    report = bring_in(b"address,language,sections,consented_at,source\n" + data)

    assert report.imported == 0
    assert all(problem.sentence and problem.line > 1 for problem in report.refused)
