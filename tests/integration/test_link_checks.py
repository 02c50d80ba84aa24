"""Where links lead is asked by editors, tried by a worker, and said with place and remedy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import cast

import pytest
from sqlalchemy import QueuePool

from newsletter.database import db, transaction
from newsletter.desk import sender_domain
from newsletter.desk.link_trying import try_waiting
from newsletter.desk.models import Role
from newsletter.desk.safe_fetch import Fetcher
from newsletter.desk.sender_domain import Flaw, try_record
from newsletter.issues import link_checks, preflight
from newsletter.issues.editing import import_issue
from newsletter.issues.models import LinkCheck
from newsletter.pages import settings
from tests.desk import at_the_desk
from tests.issue_files import issue_file
from tests.publishing import draft
from tests.web_server import WebServer, names, say

NOW = datetime(2026, 11, 17, 9, tzinfo=UTC)
CHECKS = "/desk/issues/87/checks"


@pytest.fixture
def site():
    """A site on the web of the test: one page there, another gone."""

    def answer(line, request):
        say(404 if b"/gone" in request.split(b"\r\n")[0] else 200)(line, request)

    server = WebServer(answer)
    yield server
    server.close()


@pytest.fixture
def fetcher(site):
    zone = {"site.example": ["A 127.0.0.1"], "trap.example": ["A 169.254.169.254"]}
    with names(zone) as server:
        yield Fetcher(
            resolver=server.resolver,
            may_reach=lambda address: str(address) == "127.0.0.1",
            ports=frozenset({site.port, 80}),
        )


def issue_with(text, **more):
    with transaction():
        return import_issue(issue_file({"ISIS in Action": text}, **more), replace=True, now=NOW)


def said(issue, now=NOW):
    return [str(finding) for finding in preflight.check(issue, now=now).warnings]


def ask(issue):
    with transaction():
        link_checks.ask(link_checks.links_of(issue), now=NOW)


def test_each_link_is_tried_once_and_what_is_dead_is_said(app, site, fetcher):
    good, gone = (f"http://site.example:{site.port}/{name}" for name in ("here", "gone"))
    issue = issue_with(f"[a]({good}) [b]({gone}) [c]({gone}) [d](http://trap.example/) <{good}>")

    ask(issue)
    assert not try_waiting(fetcher, clock=lambda: NOW)

    assert len(site.requests) == 3  # the dead one by HEAD and GET
    place = "The English article in ISIS in Action"
    links = [sentence for sentence in said(issue) if "http" in sentence]
    assert links == [
        f"{place} has a dead link (the site says 404): {gone}",
        f"{place} links into a private network, where readers cannot follow: http://trap.example/",
    ]


def test_while_a_site_is_waited_for_no_connection_to_the_database_is_held(app, site, fetcher):
    ask(issue_with(f"[a](http://site.example:{site.port}/here)"))
    pool, held = cast(QueuePool, db.engine.pool), []

    def may_reach(_address):
        held.append(pool.checkedout())
        return True

    try_waiting(replace(fetcher, may_reach=may_reach), clock=lambda: NOW)

    assert set(held) == {0}


def test_what_was_found_long_ago_is_not_said(app, site, fetcher):
    issue = issue_with(f"[b](http://site.example:{site.port}/gone)")
    ask(issue)
    try_waiting(fetcher, clock=lambda: NOW)

    assert any("dead link" in sentence for sentence in said(issue))
    assert not any("dead link" in sentence for sentence in said(issue, NOW + timedelta(days=8)))


def test_when_the_time_is_over_the_rest_waits_for_the_next_round(app, fetcher):
    ask(issue_with("[a](http://gone.example/)"))

    assert try_waiting(fetcher, clock=lambda: NOW, seconds=0)
    assert list(link_checks.waiting()) == ["http://gone.example/"]
    assert not try_waiting(fetcher, clock=lambda: NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://localhost:8080/x",
        "http://router.lan/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/",
        "http://intranet/",
    ],
)
def test_a_private_address_shows_without_trying(app, url):
    assert any("private network" in sentence for sentence in said(issue_with(f"[a](<{url}>)")))


@pytest.mark.parametrize("text", ["[a](/issues/3)", "[a](www.example.org)", "[a][1]\n\n[1]: /x"])
def test_a_link_without_a_full_address_is_said(app, text):
    assert any("without a full address" in sentence for sentence in said(issue_with(text)))


@pytest.mark.parametrize(
    "text", ["`[a](/x)`", "[a](https://example.org/x)", "A note[^1]\n\n[^1]: x"]
)
def test_what_is_a_link_or_code_is_not(app, text):
    assert not any("without a full address" in sentence for sentence in said(issue_with(text)))


def test_a_link_to_the_desk_is_said_and_our_own_site_is_not_tried(app):
    ours = settings().public_url
    issue = issue_with(f"[a]({ours}/desk/issues/87) [b]({ours}/issues/86)")

    assert link_checks.links_of(issue) == []
    assert any("links to the desk" in sentence for sentence in said(issue))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("The town fell on TK.", "TK"),
        ("Some XXX fighters", "XXX"),
        ("[check the number] of them", "[check the number]"),
        ("was it Derna???", "???"),
        ("lorem ipsum dolor", "lorem ipsum"),
        ("سقطت البلدة [تحقق]", "[تحقق]"),
    ],
)
def test_a_note_to_oneself_is_said(app, text, note):
    assert f"The English article in ISIS in Action holds what looks like a note: {note}" in said(
        issue_with(text)
    )


@pytest.mark.parametrize(
    "text", ["ATK fire", "[check](https://example.org/TK) this", "https://example.org/XXX", "Why?"]
)
def test_what_is_no_note_is_not(app, text):
    assert not any("a note" in sentence for sentence in said(issue_with(text)))


@pytest.mark.parametrize("hole", ["{{ name }}", "*|FNAME|*", "@@name@@", "%%name%%"])
def test_the_hole_of_a_template_is_said(app, hole):
    assert any(s.endswith(f"template: {hole}") for s in said(issue_with(f"Dear {hole}")))


def test_lines_that_are_too_long_and_those_of_last_week_are_said(app):
    issue_with("Text.", number=86, subject="A quiet week", headline="The coast")
    issue = issue_with("Text.", subject="A  quiet WEEK", headline="The Coast")
    found = said(issue)
    assert "The English subject is that of issue 86." in found
    assert "The English article in ISIS in Action has a headline of issue 86." in found

    found = said(issue_with("Text.", subject="s" * 71, headline="h" * 111))
    assert "The English subject has 71 characters." in found
    assert any("headline of the English article in ISIS in Action has 111" in s for s in found)
    assert not any("issue 86" in sentence for sentence in found)


def test_a_headline_without_a_text_blocks(app):
    issue = issue_with("Text.")
    with transaction():
        issue.articles[0].body = " \n"

    (finding,) = preflight.check(issue, now=NOW).blocking

    assert str(finding) == "The English article in ISIS in Action has a headline but no text."


def test_the_page_says_place_and_remedy_and_leads_there(app):
    draft(issue_file({"ISIS in Action": "Some XXX fighters"}))

    page = unescape(at_the_desk(app).get(CHECKS).text)

    assert "holds what looks like a note: XXX" in page
    assert "Replace it by what was to stand there." in page
    assert 'href="/desk/issues/87/write/isis-in-action/en"' in page


def test_an_author_sees_all_and_is_led_to_no_text_of_others(app):
    draft(issue_file({"ISIS in Action": "Some XXX fighters"}))

    page = at_the_desk(app, Role.AUTHOR).get(CHECKS)

    assert "XXX" in page.text
    assert "/write/" not in page.text
    assert "/plan" not in page.text


def test_asking_is_a_post_and_asking_twice_asks_once(app):
    draft(issue_file({"ISIS in Action": "[a](https://example.org/a) [b](https://example.org/b)"}))
    anna = at_the_desk(app)
    assert "2 addresses were not tried yet" in anna.get(CHECKS).text
    assert link_checks.waiting() == []
    db.session.rollback()

    assert anna.get(f"{CHECKS}/links").status_code == 405
    assert anna.send_form(f"{CHECKS}/links", page=CHECKS).status_code == 303
    first = db.session.get_one(LinkCheck, "https://example.org/a").checked_at
    db.session.rollback()
    page = anna.get(CHECKS).text
    assert "0 of 2 are tried" in page
    anna.post(f"{CHECKS}/links", data={"csrf_token": anna.token()})

    db.session.expire_all()
    assert len(link_checks.waiting()) == 2
    assert db.session.get_one(LinkCheck, "https://example.org/a").checked_at == first


def test_an_issue_in_which_nothing_is_written_has_its_page_too(app):
    draft(issue_file())
    with transaction():
        for table in ("article", "subject"):
            db.session.execute(db.text(f"DELETE FROM {table}"))  # noqa: S608 - two fixed names

    page = at_the_desk(app).get(CHECKS)

    assert page.status_code == 200
    assert "Issue 87 has no article." in page.text


@pytest.mark.parametrize(
    ("key", "zone", "flaw"),
    [
        ("dns:spf:a.example", {"a.example": ['TXT "v=spf1 mx " "-all"']}, ""),
        ("dns:spf:a.example", {"a.example": ['TXT "google=1"']}, Flaw.MISSING),
        ("dns:spf:a.example", {}, Flaw.MISSING),
        ("dns:spf:a.example", {"a.example": ['TXT "v=spf10 -all"']}, Flaw.MISSING),
        (
            "dns:spf:a.example",
            {"a.example": ['TXT "v=spf1 -all"', 'TXT "v=spf1 mx"']},
            Flaw.SEVERAL,
        ),
        ("dns:spf:a.example", {"a.example": ['TXT "v=spf1 +all"']}, Flaw.OPEN),
        ("dns:dmarc:a.example", {"_dmarc.a.example": ['TXT "v=DMARC1; p=none"']}, ""),
        ("dns:dmarc:n.a.example", {"_dmarc.a.example": ['TXT "v=DMARC1; p=none"']}, ""),
        ("dns:dmarc:a.example", {"a.example": ['TXT "x"']}, Flaw.MISSING),
        ("dns:dkim:a.example", {"k1._domainkey.a.example": ['TXT "v=DKIM1; p=x"']}, ""),
        ("dns:dkim:a.example", {"a.example": ['TXT "x"']}, Flaw.MISSING),
    ],
)
def test_the_senders_domain_is_looked_up(key, zone, flaw):
    with names(zone) as server:
        assert try_record(key, server.resolver) == flaw


def test_what_is_wrong_with_the_senders_domain_is_said(app):
    config = settings()
    unseen = (
        "Nobody has looked up this week whether newsletter.example may send mail"
        " (SPF, DKIM, DMARC)."
    )
    assert [str(finding) for finding in sender_domain.findings(config, now=NOW)] == [unseen]
    with transaction():
        link_checks.ask(sender_domain.records(config), now=NOW)
    assert [str(finding) for finding in sender_domain.findings(config, now=NOW)] == [unseen]
    with transaction():
        for key in sender_domain.records(config):
            link_checks.record(key, Flaw.MISSING, now=NOW)

    assert [str(finding) for finding in sender_domain.findings(config, now=NOW)] == [
        "newsletter.example has no SPF record.",
        "newsletter.example has no DKIM key.",
        "newsletter.example has no DMARC record.",
    ]


def test_a_page_that_waits_is_told_how_far_it_is_until_all_was_tried(app, site, fetcher):
    issue = issue_with(f"See [a](http://site.example:{site.port}/) and [b](http://gone.example/).")
    anna = at_the_desk(app)
    anna.send_form(f"{CHECKS}/links", page=CHECKS)
    progress = f'data-progress="{CHECKS}/progress"'

    assert progress in anna.get(CHECKS).text
    told = anna.get(f"{CHECKS}/progress").json
    assert (told["known"], told["waiting"]) == (0, len(link_checks.links_of(issue)))
    assert "0 of 2 are tried" in told["said"]

    assert not try_waiting(fetcher, clock=lambda: datetime.now(UTC))

    told = anna.get(f"{CHECKS}/progress").json
    assert (told["known"], told["waiting"]) == (2, 0)


def test_what_nobody_has_tried_is_said_where_it_is_sent_until_it_was_tried(app, site, fetcher):
    issue = issue_with(f"See [it](http://site.example:{site.port}/) there.")
    anna = at_the_desk(app)
    untried = "Nobody has looked this week where it leads: 1 of 1 addresses."
    assert untried in anna.get(CHECKS).text
    assert 'href="/desk/issues/87/checks#links"' in anna.get("/desk/issues/87/send").text

    with transaction():
        link_checks.ask(link_checks.links_of(issue), now=datetime.now(UTC))
    assert not try_waiting(fetcher, clock=lambda: datetime.now(UTC))

    assert untried not in anna.get(CHECKS).text
