"""The mail that all others exist for."""

import re
from dataclasses import replace
from typing import Any

import pytest

from newsletter.mail import rendering
from newsletter.mail.rendering import RenderedMail, RenderingError, render_mail
from tests.emails.pages import Page
from tests.emails.samples import (
    COALITION,
    ISSUES,
    SECTIONS,
    SICILY,
    SIEGE,
    article,
    articles,
    context_of,
    safe,
)

ARABIC = [each for each in articles("ar") if each.language == "ar"]


def issue_mail(language: str = "en", **changes: Any) -> RenderedMail:
    return render_mail("issue", language, **context_of("issue", language) | changes)


def test_four_substantial_articles_stay_far_below_what_gmail_cuts():
    long_text = safe(SIEGE + SICILY + COALITION * 2)
    long_articles = [replace(each, html=long_text) for each in articles("en")]

    html = issue_mail(articles=long_articles).html

    assert len(Page(html).text.split()) > 2000
    assert len(html.encode()) < 55_000


def test_each_chosen_section_is_listed_at_the_top_and_can_be_reached():
    page = Page(issue_mail().html)

    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    anchors = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    for each in articles("en"):
        assert each.section_slug in anchors
        assert page.text.count(each.headline) == 2
    assert set(anchors) <= ids


def test_one_section_alone_needs_no_table_of_contents():
    mail = issue_mail(articles=articles("en")[:1])

    assert "In this issue" not in Page(mail.html).text + mail.text


def test_sections_that_were_not_chosen_are_named_with_links_to_the_web():
    mail = issue_mail(articles=articles("en")[:2], other_sections=SECTIONS["en"][2:])

    page = Page(mail.html)
    for section in SECTIONS["en"][2:]:
        assert section.url in page.links
        assert f"{section.title} {section.invitation}" in page.text
        assert f"{section.title}\n{section.invitation}\n{section.url}\n" in mail.text
    assert SECTIONS["en"][0].invitation not in page.text


def test_who_reads_everything_gets_the_standing_links_of_all_sections():
    page = Page(issue_mail().html)

    for section in SECTIONS["en"]:
        assert section.url in page.links
        assert f"{section.title} {section.invitation}" in page.text


def test_the_standing_words_of_the_publication_are_there():
    mail = issue_mail()

    page = Page(mail.html)
    for words in (
        "A weekly update is available by subscribing here.",
        "The full report is available here.",
        "Was this forwarded to you?",
    ):
        assert words in page.text
        assert words in mail.text
    assert "https://weekly.example/subscribe" in page.links


def test_leaving_is_possible_before_a_mail_program_cuts_the_mail():
    mail = issue_mail()

    assert mail.html.index("/unsubscribe/") < mail.html.index("<h1")
    assert mail.text.index("/unsubscribe/") < mail.text.index("In this issue")


def test_the_inbox_shows_the_preheader_and_nothing_else():
    html = issue_mail().html

    preview = re.search(r"<div style=\"display:none[^>]*>([^<]*)</div>", html)
    assert preview
    assert preview[1].startswith("The blockade tightens, and an oil trail leads to Sicily\u034f")


def test_without_a_preheader_the_inbox_shows_the_subject():
    context = context_of("issue", "en")

    html = issue_mail(issue=replace(context["issue"], preheader="")).html

    assert '"quiet" style="font-size:0px;padding:14px 0 0' not in html
    assert "Derna under siege\u034f" in html


def test_an_arabic_edition_runs_from_right_to_left_throughout():
    html = issue_mail("ar", articles=ARABIC).html

    assert "direction:rtl" in html
    assert "direction:ltr" not in html
    assert 'dir="ltr"' not in html
    assert "border-left:" not in html
    assert "padding-right:22px" in html  # where the bullets of a list stand
    assert set(re.findall(r"text-align:left[^>]*>(.)", html)) <= {"<"}  # engine's own boxes


def test_an_english_article_in_an_arabic_edition_keeps_its_own_direction():
    page = Page(issue_mail("ar").html)

    (english,) = (div for div in page.all("div") if div.get("lang") == "en")
    assert english["dir"] == "ltr"
    assert "الإنجليزية" in page.text


def test_an_issue_that_lacks_the_readers_language_says_so_and_keeps_its_own_direction():
    mail = issue_mail("ar", issue=ISSUES["en"], articles=articles("en"))

    page = Page(mail.html)
    (heading,) = page.all("h1")
    assert (heading["lang"], heading["dir"]) == ("en", "ltr")
    for shown in (page.text, mail.text):
        assert "العربية" in shown
        assert "الإنجليزية" in shown


def test_an_issue_in_the_readers_language_makes_no_words_about_it():
    mail = issue_mail("ar", articles=ARABIC)

    assert "الإنجليزية" not in mail.text + Page(mail.html).text


def test_arabic_is_neither_spaced_nor_slanted():
    html = issue_mail("ar", articles=ARABIC).html

    assert "letter-spacing" not in html
    assert '<em style="font-style:normal;font-weight:bold">' in html


def test_dates_are_written_in_the_language_of_the_mail():
    assert "15 August 2017" in Page(issue_mail("en").html).text
    assert "15 أغسطس 2017" in issue_mail("ar").text


def test_an_editors_table_stays_a_table_and_may_scroll():
    page = Page(issue_mail().html)

    (table,) = (table for table in page.all("table") if "role" not in table)
    assert "border-collapse" in table["style"]
    assert {"class": "scroll", "tabindex": "0", "style": "overflow-x:auto"} in page.all("div")


def test_a_column_keeps_the_side_that_its_table_gives_it():
    html = "<table><tr><th align='right'>1</th><td align='right'>2</td></tr></table>"

    page = Page(issue_mail(articles=[article(html=safe(html))]).html)

    (head,) = page.all("th")
    (cell,) = (td for td in page.all("td") if "8px 0" in td["style"])
    for one in (head, cell):
        assert one["style"].endswith(";text-align:right")


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<mj-raw>x</mj-raw><mj-foo>y</mj-foo>",
        '<p style="background:url(https://other.example/x)">x</p>',
        '<link href="https://other.example/x.css">',
        "<p>" * 101,
    ],
)
def test_markup_that_no_editor_can_have_meant_is_refused(html):
    with pytest.raises(RenderingError, match="issue"):
        issue_mail(articles=[article(html=safe(html))])


@pytest.mark.parametrize("tag", ["mj-social", "mj-include", "mj-texxt"])
def test_only_tags_that_we_mean_to_use_reach_the_engine(tag):
    with pytest.raises(ValueError, match=f"unknown tags {tag}"):
        rendering._lay_out(f"<mjml><mj-body><{tag}></{tag}></mj-body></mjml>")


def test_words_that_look_like_markup_or_styles_are_let_through():
    words = "&lt;mj-text&gt; @import url(x) <b>bold</b><br>&nbsp;&amp;"

    page = Page(issue_mail(articles=[article(html=safe(f"<p>{words}</p>"))]).html)

    assert "<mj-text> @import url(x) bold &" in page.text
