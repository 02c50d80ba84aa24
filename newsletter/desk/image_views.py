"""Put pictures into an issue."""

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from newsletter.database import transaction
from newsletter.desk.assignments import writers_of
from newsletter.desk.door import NotAllowed, current_editor, pages
from newsletter.desk.kept_words import wants_json
from newsletter.desk.lookup import ISSUE, find_issue, now
from newsletter.issues.changes import FrozenIssue
from newsletter.issues.images import add_image, address_of, images_of
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Issue
from newsletter.issues.pictures import LARGEST_FILE, BadPicture, encode

ROOM_FOR_A_FORM = 64 * 1024  # bytes around the file


@pages.url_value_preprocessor
def let_pictures_be_large(endpoint: str | None, _values: dict[str, object] | None) -> None:
    """Take more than other forms may hold; before anything reads it."""
    if endpoint == "desk.upload_image":
        request.max_content_length = LARGEST_FILE + ROOM_FOR_A_FORM


@pages.get(ISSUE + "/images")
def images(number: int) -> str:
    """The pictures of an issue, and a form that takes one more."""
    return _page(_own(number))


@pages.post(ISSUE + "/images")
def upload_image(number: int) -> AnyResponse:
    """Take a picture, and answer with the Markdown that shows it."""
    issue = _own(number)
    file = request.files.get("file")
    try:
        pictures = encode(file.read() if file else b"")
        with transaction():
            image = add_image(issue.id, pictures, who=current_editor().address, now=now())
    except BadPicture as error:
        return _refused(issue, gettext(error.flaw.value), error.status)
    except FrozenIssue as error:
        return _refused(issue, gettext("This issue is no draft any more."), error.status)
    finally:
        if file:
            file.close()
    if wants_json():
        address = address_of(image)
        return jsonify(markdown=_markdown(address), url=address)
    flash(gettext("The picture is in. Copy the line beside it into a text, and describe it."))
    return redirect(url_for("desk.images", number=number), 303)


def _own(number: int) -> Issue:
    """The issue, for those who write something in it."""
    issue, editor = find_issue(number), current_editor()
    writers = {writer.id for them in writers_of(issue.id).values() for writer in them}
    if not editor.may_send and editor.id not in writers:
        raise NotAllowed("This issue is for others to write.")
    return issue


def _markdown(address: str) -> str:
    words = gettext("Describe the picture")  # in the string itself, older Pythons would not find it
    return f"![{words}]({address})"


def _refused(issue: Issue, sentence: str, status: int) -> AnyResponse:
    if wants_json():
        response = jsonify(said=sentence)
        response.status_code = status
        return response
    return Response(_page(issue, error=sentence), status)


def _page(issue: Issue, error: str = "") -> str:
    return render_template(
        "desk/image.html",
        issue=issue,
        may_change=issue.state is IssueState.DRAFT,
        images=[(image, address_of(image)) for image in images_of(issue.id)],
        markdown=_markdown,
        error=error,
    )
