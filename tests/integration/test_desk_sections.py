"""The sections at the desk: called otherwise, put in order, added, retired; for admins alone."""

import pytest
from sqlalchemy import select

from newsletter.audit import AuditEntry
from newsletter.database import db, transaction
from newsletter.desk.models import Role
from newsletter.issues.lifecycle import IssueState
from newsletter.issues.models import Section
from newsletter.issues.sections import standing_sections
from tests.desk import at_the_desk, piece
from tests.factories import NOON, make_issue, make_subscriber, section_called

NEW = {
    "slug": "gulf-states",
    "title-en": "Gulf States",
    "invitation-en": "to read about the Gulf states",
}


WEST = {"title-en": "The West", "invitation-en": "to read about the West"}


def admin(app):
    return at_the_desk(app, Role.ADMIN)


def act(editor, path, data=None):
    return editor.send_form(f"/desk/sections{path}", data, page="/desk/sections")


def call(editor, words):
    """Fill in the form that says what a section is called."""
    path = "/desk/sections/western-response"
    seen = piece(r'name="seen" value="([^"]+)"', editor.get(path).text)
    return editor.send_form(path, {"seen": seen} | words, page=path)


def slugs():
    db.session.commit()  # the read before ends, so that this one sees what was done since
    db.session.expire_all()
    return [section.slug for section in standing_sections()]


def title():
    slugs()
    return section_called("western-response").title("en")


def log():
    return db.session.scalars(select(AuditEntry.what)).all()


def test_an_added_section_stands_after_the_others(app):
    anna = admin(app)

    assert act(anna, "", NEW).status_code == 303

    assert slugs()[-1] == "gulf-states"
    assert "to read about the Gulf states" in anna.get("/desk/sections").text
    assert any("gulf-states" in line for line in log())


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"slug": "Gulf States"}, "Small letters, digits"),
        ({"slug": "western-response"}, "Another section has this slug"),
        ({"title-en": "western RESPONSE"}, "Another section is called so"),
        ({"title-en": " "}, "A title is needed"),
        ({"invitation-en": ""}, "words of the standing link are needed"),
        ({"title-ar": "دول الخليج"}, "words of the standing link are needed"),
        ({"title-en": "x" * 121}, "too long"),
        ({"title-en": "Gulf\x00States"}, "cannot be shown"),
    ],
)
def test_an_unfit_section_is_refused_and_what_was_typed_stays(app, mistake, said):
    before = slugs()

    refused = act(admin(app), "", NEW | {"invitation-en": "to read <b>more</b>"} | mistake)

    assert refused.status_code == 400
    assert said in refused.text
    assert "invitation-en" in mistake or "to read &lt;b&gt;more&lt;/b&gt;" in refused.text
    assert slugs() == before


def test_a_section_is_called_otherwise_and_issues_keep_its_old_title(app):
    with transaction():
        issue = make_issue(sections=["western-response"])

    assert call(admin(app), WEST).status_code == 303

    db.session.commit()
    db.session.expire_all()
    section = db.session.scalars(select(Section).where(Section.slug == "western-response")).one()
    assert section.title("en") == "The West"
    assert [title.language for title in section.titles] == ["en"]
    assert issue.articles[0].section_title == "Western Response"


def test_sections_change_places(app):
    anna = admin(app)
    first, second, *rest = slugs()

    act(anna, f"/{first}/move", {"down": "yes"})
    assert slugs() == [second, first, *rest]
    act(anna, f"/{first}/move", {"up": "yes"})
    assert slugs() == [first, second, *rest]
    act(anna, f"/{first}/move", {"up": "yes"})
    assert slugs() == [first, second, *rest]


@pytest.mark.parametrize(
    ("state", "began"), [("scheduled", None), ("sending", NOON), ("paused", NOON)]
)
def test_nothing_changes_under_an_issue_that_is_on_its_way(app, state, began):
    with transaction():
        issue = make_issue(sections=["western-response"])
        issue.state, issue.sending_started_at = IssueState(state), began
    anna, before = admin(app), slugs()

    for refused in (call(anna, WEST), act(anna, "/western-response/move", {"up": "yes"})):
        assert refused.status_code == 409
        assert "Nothing was changed." in refused.text
    assert slugs() == before
    assert standing_sections()[1].title("en") == "Western Response"


@pytest.mark.parametrize("is_moved", [True, False])
@pytest.mark.parametrize("is_approved", [True, False])
def test_a_draft_is_looked_at_again_when_a_section_of_it_changes(app, is_moved, is_approved):
    with transaction():
        issue = make_issue(sections=["western-response"])
        if is_approved:
            issue.approved_at, issue.approved_by = issue.revised_at, "omar@example.org"
    anna, page = admin(app), "/desk/issues/87/preview"
    shown = {"seen": issue.revised_at.isoformat()}

    if is_moved:
        act(anna, "/western-response/move", {"up": "yes"})
    else:
        call(anna, WEST)

    approving = anna.send_form("/desk/issues/87/approve", shown, page=page)
    assert approving.status_code == 409
    slugs()
    assert issue.approved_at is None


def test_of_two_who_call_a_section_otherwise_the_second_sees_both_and_decides(app):
    anna, path = admin(app), "/desk/sections/western-response"
    opened = piece(r'name="seen" value="([^"]+)"', anna.get(path).text)
    call(anna, WEST)
    mine = {"title-en": "Western states", "invitation-en": "to read about the West", "seen": opened}

    clash = anna.send_form(path, mine, page=path)

    assert clash.status_code == 409
    assert "<bdi>The West</bdi>" in clash.text
    assert 'value="Western states"' in clash.text
    assert title() == "The West"
    seen = piece(r'name="seen" value="([^"]+)"', clash.text)
    assert anna.send_form(path, mine | {"seen": seen}, page=path).status_code == 303
    assert title() == "Western states"
    assert anna.send_form(path, mine, page=path).status_code == 303  # pressed twice


def test_a_section_that_was_retired_meanwhile_is_not_moved(app):
    anna = admin(app)
    first, *rest = slugs()
    act(anna, f"/{first}/retire")

    assert act(anna, f"/{first}/move", {"down": "yes"}).status_code == 303
    assert slugs() == rest


def test_a_retired_section_says_whom_it_leaves_empty_and_can_come_back(app):
    with transaction():
        make_subscriber(sections=["western-response"])
        make_subscriber(sections=["western-response", "isis-in-action"])
    anna = admin(app)
    before = slugs()
    assert "One reader chose this section alone" in anna.get("/desk/sections").text

    act(anna, "/western-response/retire")
    assert "western-response" not in slugs()

    act(anna, "/western-response/back")
    assert slugs() == before


def test_the_last_section_is_not_retired(app):
    anna = admin(app)
    *others, last = slugs()
    for slug in others:
        act(anna, f"/{slug}/retire")

    refused = act(anna, f"/{last}/retire")

    assert refused.status_code == 409
    assert "The last section stays" in refused.text
    assert slugs() == [last]


def test_a_section_does_not_come_back_under_the_name_of_another(app):
    anna = admin(app)
    act(anna, "/western-response/retire")
    act(anna, "", NEW | {"title-en": "Western Response"})

    refused = act(anna, "/western-response/back")

    assert refused.status_code == 400
    assert "western-response" not in slugs()
