"""Checks of an issue as a whole: what is missing, in which language, and its date."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from newsletter.issues.editions import articles_in
from newsletter.issues.findings import Finding, Part, Place, Tongue, article_facts, article_place
from newsletter.issues.models import Issue
from newsletter.issues.sections import sections_of, standing_sections
from newsletter.locales import LANGUAGES, translatable
from newsletter.pages import settings

FAR = timedelta(days=7)


def missing(issue: Issue) -> Iterator[Finding]:
    """What no issue goes without: an article, and a subject in the default language."""
    default = settings().default_language
    if not issue.articles:
        yield Finding(
            "no-article",
            translatable("Issue %(number)s has no article."),
            translatable("Write one, or upload the file of the issue."),
            facts={"number": issue.number},
        )
    if not any(s.language == default and s.subject.strip() for s in issue.subjects):
        yield Finding(
            "no-subject",
            translatable("Issue %(number)s has no subject in %(language)s, the default language."),
            translatable("Write the line that readers see in their inbox."),
            Place(Part.SUBJECT, default),
            {"number": issue.number, "language": Tongue(default)},
        )


def silent_sections(issue: Issue) -> Iterator[Finding]:
    """Sections of today without an article in any language."""
    default = settings().default_language
    speaking = {section.id for section in sections_of(issue)}
    for section in standing_sections():
        if section.id not in speaking:
            yield Finding(
                "silent-section",
                translatable(
                    "There is no article in %(section)s: who reads that section alone gets no mail."
                ),
                translatable("Write it, or leave it out on purpose."),
                Place(Part.ARTICLE, default, section.slug),
                {"section": section.title(default)},
            )


def untranslated(issue: Issue) -> Iterator[Finding]:
    """Languages without any text, and articles that stand in for missing ones."""
    default = settings().default_language
    written = {article.language for article in issue.articles}
    for language in LANGUAGES:
        if language not in {*issue.languages, *written, default}:  # more is said of that elsewhere
            yield Finding(
                "no-language",
                translatable(
                    "There is no %(language)s text: readers of %(language)s get the %(other)s one,"
                    " with a line that says so."
                ),
                translatable("Write a subject and articles in %(language)s, or leave it so."),
                Place(Part.SUBJECT, language),
                {"language": Tongue(language), "other": Tongue(default)},
            )
            continue
        if language not in {*issue.languages, default}:
            yield Finding(
                "no-subject-there",
                translatable(
                    "There are %(language)s articles, but no %(language)s subject: their readers"
                    " get the %(other)s one."
                ),
                translatable("Write the line that readers see in their inbox."),
                Place(Part.SUBJECT, language),
                {"language": Tongue(language), "other": Tongue(default)},
            )
        for article in articles_in(issue, language):
            if article.language != language:
                yield Finding(
                    "stands-in",
                    translatable(
                        "The %(language)s article in %(section)s stands in the %(other)s edition,"
                        " because there is no other."
                    ),
                    translatable("Write it in %(other)s, or leave it so."),
                    Place(Part.ARTICLE, language, article_place(article).slug),
                    article_facts(article, other=Tongue(language)),
                )


def date_far_away(issue: Issue, *, now: datetime) -> Iterator[Finding]:
    """A date that is not of this week, as one that was taken over from the last issue."""
    today = now.astimezone(ZoneInfo(settings().time_zone)).date()
    if today - issue.date >= FAR or issue.date - today > FAR:  # a week ago was the last one
        yield Finding(
            "date",
            translatable("Issue %(number)s is dated %(date)s, but today is %(today)s."),
            translatable("Correct the date if it is not meant so."),
            Place(Part.PLAN),
            {"number": issue.number, "date": issue.date, "today": today},
        )
