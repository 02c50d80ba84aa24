"""Checks of the words: halves, what was left over, what is too long, what was there before."""

import re
from collections.abc import Iterator

from sqlalchemy import Select, func, select

from newsletter.database import db
from newsletter.issues.findings import Finding, Part, Place, Tongue, article_facts, article_place
from newsletter.issues.models import Article, Issue, Subject
from newsletter.links import TOKEN_LENGTH, Purpose
from newsletter.locales import translatable
from newsletter.mail.message import find_mark

# On any host, for a site has had others; with the backslashes that an editor may put before "_".
READERS_LINK = re.compile(rf"/({'|'.join(Purpose)})/(?:\\?[\w-]){{{TOKEN_LENGTH}}}", re.ASCII)
URL = re.compile(r"https?://\S+", re.IGNORECASE)
NOTE = re.compile(
    r"\b(?:TK(?:TK)*|X{3,}|TODO|FIXME|TBD|TBC)\b"
    r"|\[\s*(?:to )?(?:check|verify|confirm|source|name|date|number|link|photo|تحقق|راجع|مصدر)"
    r"[^\]\n]{0,60}\](?![(\[:])"
    r"|\?{3,}|؟{3,}|\b[Ll]orem ipsum\b"
)
PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{1,60}\}\}|\{%[^{}\n]{1,60}%\}|\*\|[^|\n]{1,60}\|\*|@@\w{1,60}@@|%%\w{1,60}%%"
)
LONGEST_SUBJECT = 70  # characters: what Gmail shows in a wide window
LONGEST_PREHEADER = 120
LONGEST_HEADLINE = 110


def halves(issue: Issue) -> Iterator[Finding]:
    """Headlines without a text: readers of one section alone would get an empty mail."""
    for article in issue.articles:
        if not article.body.strip():
            yield Finding(
                "no-text",
                translatable("The %(language)s article in %(section)s has a headline but no text."),
                translatable("Write it, or take the headline out."),
                article_place(article),
                article_facts(article),
            )


def readers_links(issue: Issue) -> Iterator[Finding]:
    """Editors' words that hold a reader's own link, or the mark for one, as a copied mail would."""
    for place, facts, text in _texts(issue):
        if mark := find_mark(text):
            yield Finding(
                "mark",
                _about(
                    place,
                    translatable(
                        "The %(language)s subject holds the mark of a reader's own %(link)s link."
                        " Take it out."
                    ),
                    translatable(
                        "The %(language)s article in %(section)s holds the mark of a reader's own"
                        " %(link)s link. Take it out."
                    ),
                ),
                translatable("It came with words that were copied from a mail: delete it."),
                place,
                facts | {"link": mark},
            )
        elif link := READERS_LINK.search(text):
            yield Finding(
                "readers-link",
                _about(
                    place,
                    translatable(
                        "The %(language)s subject holds some reader's own %(link)s link, copied"
                        " from a mail: whoever opens it acts for that reader. Take it out."
                    ),
                    translatable(
                        "The %(language)s article in %(section)s holds some reader's own %(link)s"
                        " link, copied from a mail: whoever opens it acts for that reader. Take it"
                        " out."
                    ),
                ),
                translatable("Delete the link; every reader gets their own at the foot."),
                place,
                facts | {"link": link[1]},
            )


def left_over(issue: Issue) -> Iterator[Finding]:
    """Notes that somebody wrote to themselves, and holes of a template that nobody filled."""
    for place, facts, text in _texts(issue):
        text_alone = URL.sub("", text)
        if note := NOTE.search(text_alone):
            yield Finding(
                "note",
                _about(
                    place,
                    translatable("The %(language)s subject holds what looks like a note: %(note)s"),
                    translatable(
                        "The %(language)s article in %(section)s holds what looks like a note:"
                        " %(note)s"
                    ),
                ),
                translatable("Replace it by what was to stand there."),
                place,
                facts | {"note": note[0]},
            )
        if hole := PLACEHOLDER.search(text_alone):
            yield Finding(
                "placeholder",
                _about(
                    place,
                    translatable(
                        "The %(language)s subject holds what looks like the hole of a template:"
                        " %(note)s"
                    ),
                    translatable(
                        "The %(language)s article in %(section)s holds what looks like the hole of"
                        " a template: %(note)s"
                    ),
                ),
                translatable("Nothing fills it here: readers would see it as it stands."),
                place,
                facts | {"note": hole[0]},
            )


def too_long(issue: Issue) -> Iterator[Finding]:
    """Lines that an inbox would cut, and headlines that are sentences; or are missing."""
    for subject in issue.subjects:
        yield from _long_lines(subject)
    for article in issue.articles:
        length = len(article.headline)
        if not article.headline.strip():
            yield Finding(
                "no-headline",
                translatable("The %(language)s article in %(section)s has no headline."),
                translatable("Write one: it is what readers see of it first."),
                article_place(article),
                article_facts(article),
            )
        elif length > LONGEST_HEADLINE:
            yield Finding(
                "headline-length",
                translatable(
                    "The headline of the %(language)s article in %(section)s has %(length)s"
                    " characters."
                ),
                translatable("Up to %(most)s can be taken in at a glance: shorten it."),
                article_place(article),
                article_facts(article, length=length, most=LONGEST_HEADLINE),
            )


def same_headlines(issue: Issue) -> Iterator[Finding]:
    """Headlines and subjects of the issue before: somebody started from it and forgot one."""
    number = select(func.max(Issue.number)).where(Issue.number < issue.number).scalar_subquery()
    before = Issue.number == number
    subjects = _lines(select(Subject.subject, Issue.number).join(Issue).where(before))
    headlines = _lines(select(Article.headline, Issue.number).join(Issue).where(before))
    for subject in issue.subjects:
        if subject.subject.strip() and (last := subjects.get(_folded(subject.subject))):
            yield Finding(
                "same-subject",
                translatable("The %(language)s subject is that of issue %(last)s."),
                translatable("Write the one of this week."),
                Place(Part.SUBJECT, subject.language),
                {"language": Tongue(subject.language), "last": last},
            )
    for article in issue.articles:
        if article.headline.strip() and (last := headlines.get(_folded(article.headline))):
            yield Finding(
                "same-headline",
                translatable(
                    "The %(language)s article in %(section)s has a headline of issue %(last)s."
                ),
                translatable("Write the one of this week, unless it is a standing one."),
                article_place(article),
                article_facts(article, last=last),
            )


def _lines(query: Select[str, int]) -> dict[str, int]:
    """Lines of an earlier issue, each with its number."""
    return {_folded(line): number for line, number in db.session.execute(query)}


def _long_lines(subject: Subject) -> Iterator[Finding]:
    place = Place(Part.SUBJECT, subject.language)
    facts = {"language": Tongue(subject.language)}
    if (length := len(subject.subject)) > LONGEST_SUBJECT:
        yield Finding(
            "subject-length",
            translatable("The %(language)s subject has %(length)s characters."),
            translatable("An inbox shows %(most)s at most, a phone half of that: shorten it."),
            place,
            facts | {"length": length, "most": LONGEST_SUBJECT},
        )
    if (length := len(subject.preheader)) > LONGEST_PREHEADER:
        yield Finding(
            "preheader-length",
            translatable("The %(language)s preheader has %(length)s characters."),
            translatable("An inbox shows %(most)s at most: what matters must stand in front."),
            place,
            facts | {"length": length, "most": LONGEST_PREHEADER},
        )


def _texts(issue: Issue) -> Iterator[tuple[Place, dict[str, object], str]]:
    for subject in issue.subjects:
        place = Place(Part.SUBJECT, subject.language)
        yield (
            place,
            {"language": Tongue(subject.language)},
            f"{subject.subject}\n{subject.preheader}",
        )
    for article in issue.articles:
        text = f"{article.headline}\n{article.body}"
        yield article_place(article), article_facts(article), text


def _about(place: Place, subject: str, article: str) -> str:
    return subject if place.part is Part.SUBJECT else article


def _folded(line: str) -> str:
    return " ".join(line.casefold().split())
