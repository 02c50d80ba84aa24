"""Readers at the desk: counted, found one at a time by a posted address, and helped to leave."""

import io
import json

from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.models import Role
from newsletter.subscribers.models import Subscriber, SubscriberState
from newsletter.subscribers.suppression import reason_of
from tests.desk import at_the_desk
from tests.factories import make_subscriber

READER = "reader@readers.example"
HERE = "/desk/subscribers"


def admin(app):
    return at_the_desk(app, Role.ADMIN)


def reader(**facts):
    with transaction():
        return make_subscriber(READER, **facts).id


def state_of(subscriber_id):
    db.session.commit()
    db.session.expire_all()
    return db.session.get_one(Subscriber, subscriber_id).state


def act(editor, path, data=None):
    return editor.send_form(f"{HERE}{path}", data, page=HERE)


def bring(editor, text):
    file = FileStorage(io.BytesIO(text.encode()), "members.csv")
    return act(editor, "/import", {"file": file})


def log():
    db.session.commit()
    return " ".join(db.session.scalars(select(AuditEntry.what)))


def test_readers_are_counted_and_nobody_is_listed(app):
    reader()
    with transaction():
        make_subscriber(state=SubscriberState.UNSUBSCRIBED)

    page = admin(app).get(HERE).text

    assert "<dt>Confirmed</dt><dd>1</dd>" in page
    assert "<dt>Has left</dt><dd>1</dd>" in page
    assert "readers.example" not in page


def test_one_reader_is_found_by_a_posted_address_and_the_search_is_noted(app):
    found = reader(sections=["western-response"])
    anna = admin(app)

    answer = act(anna, "/find", {"address": " Reader@Readers.example "})
    page = anna.get(answer.headers["Location"])

    assert answer.headers["Location"] == f"{HERE}/{found}"
    assert READER in page.text
    assert "western-response" in page.text
    assert f"Looked up reader {found}." in log()
    assert READER not in log()


def test_somebody_unknown_is_said_to_be_unknown(app):
    anna = admin(app)

    assert act(anna, "/find", {"address": "no address"}).status_code == 400
    missing = act(anna, "/find", {"address": READER})
    assert missing.status_code == 404
    assert "We hold nothing about this address." in missing.text


def test_a_reader_is_let_go_and_the_log_names_a_number(app):
    found = reader()

    act(admin(app), f"/{found}/unsubscribe")

    assert state_of(found) is SubscriberState.UNSUBSCRIBED
    assert f"Unsubscribed reader {found}." in log()


def test_a_reader_is_erased_only_if_it_was_meant(app):
    found = reader()
    anna = admin(app)

    act(anna, f"/{found}/erase")
    assert state_of(found) is SubscriberState.CONFIRMED

    act(anna, f"/{found}/erase", {"meant": "yes"})
    assert state_of(found) is SubscriberState.ERASED
    assert "Everything about this reader was erased" in anna.get(f"{HERE}/{found}").text


def test_an_address_is_suppressed_whether_it_is_known_or_not(app):
    reader()
    anna = admin(app)

    for address in (READER, "stranger@readers.example"):
        act(anna, "/suppress", {"address": address})
        db.session.commit()
        assert reason_of(address) == "manual", address
    assert "readers.example" not in log()


def test_a_complaint_is_noted_once_however_often_the_button_is_pressed(app):
    found = reader()
    anna = admin(app)

    for _ in range(2):
        act(anna, f"/{found}/complaint")

    assert "the reader called a mail spam" in anna.get(f"{HERE}/{found}").text
    assert log().count(f"Noted a complaint of reader {found}.") == 1


def test_a_readers_data_is_handed_out_as_a_file_without_their_address_in_its_name(app):
    found = reader()

    answer = act(admin(app), f"/{found}/data")

    assert json.loads(answer.text)["subscriber"][0]["address"] == READER
    assert f"reader-{found}.json" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_list_comes_in_and_goes_out_by_file(app):
    anna = admin(app)

    answer = bring(anna, f"address,consented_at\n{READER},2025-05-14\nrubbish,\n")

    assert answer.status_code == 422
    assert "1 imported, 0 asked to confirm, 0 known already, 1 refused." in answer.text
    assert '<th scope="row" class="number">3</th>' in answer.text
    out = act(anna, "/export").text
    assert READER in out
    assert "Exported all readers." in log()


def test_a_file_that_is_no_list_is_refused(app):
    refused = bring(admin(app), "name,shoe size\n")

    assert refused.status_code == 400
    assert "The first line must name the columns" in refused.text
