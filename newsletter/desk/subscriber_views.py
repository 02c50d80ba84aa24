"""The readers at the desk: how many there are, and one of them on their own wish. For admins.

There is no list of them. One is found by their address, which is posted and stands in no address
of a page; what is done to them is a line in the log that names them by number.
"""

import json
from io import BytesIO

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter import audit
from newsletter.background import hint
from newsletter.database import db, transaction
from newsletter.delivery.traces import deliveries_of, last_issue_to
from newsletter.desk.door import current_editor, for_admins, pages
from newsletter.desk.lookup import now
from newsletter.mail.addresses import BadAddress, parse_address
from newsletter.pages import download
from newsletter.subscribers.counts import count_subscribers, growth
from newsletter.subscribers.erasure import erase
from newsletter.subscribers.import_file import BadImportFile, read_lines
from newsletter.subscribers.lookup import find
from newsletter.subscribers.models import Subscriber, SubscriberState, SuppressionReason
from newsletter.subscribers.my_data import data_of
from newsletter.subscribers.pausing import pauses_until
from newsletter.subscribers.record import describe
from newsletter.subscribers.suppression import FOR_GOOD, reason_of, suppress
from newsletter.subscribers.transfer import Import, ImportReport, export_subscribers, in_chunks
from newsletter.subscribers.unsubscribe import unsubscribe

SOURCE = "desk"
WEEKS = 26
LAST_ISSUES = 12
MOST_PROBLEMS = 100  # shown at a time
LONGEST_ADDRESS = 320  # characters that are looked at
ONE = "/subscribers/<int(max=999999999999999999):subscriber_id>"


@pages.get("/subscribers")
@for_admins
def subscribers() -> str:
    """How many read us, and the ways to one of them."""
    return _all()


@pages.post("/subscribers/find")
@for_admins
def find_subscriber() -> AnyResponse:
    """Go to the reader of an address, or say that there is none."""
    typed = request.form.get("address", "").strip()[:LONGEST_ADDRESS]
    try:
        key = parse_address(typed).key
    except BadAddress:
        return Response(_all(typed=typed, is_no_address=True), 400)
    found = find(key)
    if found is None:
        return Response(_all(typed=typed, is_unknown=True, suppressed=reason_of(key)), 404)
    with transaction():
        _note(f"Looked up reader {found.id}.")
    return _to(found.id)


@pages.post("/subscribers/suppress")
@for_admins
def suppress_address() -> AnyResponse:
    """Let no mail go to an address any more, whoever it belongs to."""
    key = parse_address(request.form.get("address", "").strip()[:LONGEST_ADDRESS]).key
    found = find(key)
    with transaction():
        suppress(key, SuppressionReason.MANUAL, source=SOURCE, now=now())
        _note(f"Suppressed reader {found.id}." if found else "Suppressed an unknown address.")
    flash(gettext("No mail goes to this address any more."))
    return _to(found.id) if found else redirect(url_for("desk.subscribers"), 303)


@pages.get(ONE)
@for_admins
def subscriber(subscriber_id: int) -> str:
    """One reader: how they stand, what they chose, what they agreed to, what was sent to them."""
    found = _find(subscriber_id)
    is_known = found.state is not SubscriberState.ERASED
    record = describe(found.address) if is_known else None
    return render_template(
        "desk/subscriber.html",
        subscriber=found,
        record=record,
        paused_until=pauses_until(found, now=now()),
        deliveries=deliveries_of(found.id)[-LAST_ISSUES:][::-1] if is_known else [],
    )


@pages.post(ONE + "/unsubscribe")
@for_admins
def unsubscribe_reader(subscriber_id: int) -> AnyResponse:
    """Let somebody leave who asked for it; they get the usual goodbye."""
    found = _find(subscriber_id)
    with transaction():
        unsubscribe(found.id, None, source=SOURCE, now=now())
        _note(f"Unsubscribed reader {found.id}.")
    hint("delivery.send_notices")
    flash(gettext("They have left, and no issue goes to them."))
    return _to(found.id)


@pages.post(ONE + "/complaint")
@for_admins
def note_complaint(subscriber_id: int) -> AnyResponse:
    """Write down that somebody called a mail spam; it counts for the issue they got last."""
    found = _find(subscriber_id)
    if found.address_key is None or reason_of(found.address_key) in FOR_GOOD:
        return _to(found.id)  # erased or suppressed meanwhile, as the page says
    issue = last_issue_to(found.id)
    with transaction():
        suppress(
            found.address_key,
            SuppressionReason.COMPLAINT,
            source=SOURCE,
            issue_id=issue.id if issue else None,
            now=now(),
        )
        _note(f"Noted a complaint of reader {found.id}.")
    flash(gettext("The complaint is noted. No mail goes to this address any more."))
    return _to(found.id)


@pages.post(ONE + "/erase")
@for_admins
def erase_reader(subscriber_id: int) -> AnyResponse:
    """Forget somebody who asked for it, if it was meant."""
    found = _find(subscriber_id)
    if "meant" not in request.form:
        flash(gettext("Nothing was erased: the box was not ticked."))
        return _to(found.id)
    with transaction():
        erase(found.id, source=SOURCE, now=now())
        _note(f"Erased reader {found.id}.")
    flash(gettext("Erased. A keyed hash of the address is all that stays."))
    return redirect(url_for("desk.subscribers"), 303)


@pages.post(ONE + "/data")
@for_admins
def data_of_reader(subscriber_id: int) -> Response:
    """All that we hold about somebody, as a file to hand to them."""
    found = _find(subscriber_id)
    held = data_of(found.id, now=now())
    with transaction():
        _note(f"Took out the data of reader {found.id}.")
    text = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
    return download(text, "application/json", f"reader-{found.id}.json")


@pages.post("/subscribers/export")
@for_admins
def export_readers() -> Response:
    """Everybody as CSV, in the columns of an import."""
    with transaction():
        _note("Exported all readers.")
    lines = "".join(f"{line}\r\n" for line in export_subscribers())
    return download(lines, "text/csv", "subscribers.csv")


@pages.post("/subscribers/import")
@for_admins
def import_readers() -> AnyResponse:
    """Take a list in: what is good is kept, and what is not is listed by its line."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return Response(_all(no_file=True), 400)
    data = file.read()
    file.close()
    try:
        report = _take(data, file.filename)
    except BadImportFile as error:
        return Response(_all(bad_file=str(error)), error.status)
    if report.invited:
        hint("subscribers.answer_signups")
    return Response(_all(report=report, most=MOST_PROBLEMS), 200 if not report.refused else 422)


def _all(**facts: object) -> str:
    weeks = growth(WEEKS, now=now())
    return render_template(
        "desk/subscribers.html",
        counts=count_subscribers(now=now()),
        weeks=weeks,
        highest=max(1, *(max(week.came, week.left) for week in weeks)),
        **facts,
    )


def _take(data: bytes, name: str) -> ImportReport:
    """Take a file in, a short transaction at a time."""
    incoming = Import(name, now=now())
    for chunk in in_chunks(read_lines(BytesIO(data))):
        with transaction():
            incoming.take(chunk)
    report = incoming.report
    with transaction():
        _note(
            f"Imported readers: {report.imported} taken, {report.invited} asked to confirm, "
            f"{report.known} known already, {len(report.refused)} refused."
        )
    return report


def _find(subscriber_id: int) -> Subscriber:
    return db.session.get(Subscriber, subscriber_id) or abort(404)


def _note(what: str) -> None:
    audit.note(current_editor().address, what, now=now())


def _to(subscriber_id: int) -> AnyResponse:
    return redirect(url_for("desk.subscriber", subscriber_id=subscriber_id), 303)
