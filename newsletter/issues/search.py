"""Search in the issues that are public: an index over folded words, and questions to it.

The index holds an entry per article, and one per issue and language for its subject. Both
databases are only asked which entries hold all the words; how a text falls into words, what a
phrase is and what comes first is decided here and in `folding`, so that both give equal answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    SQLColumnExpression,
    and_,
    case,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from newsletter.database import Base, db
from newsletter.issues import folding
from newsletter.issues.markdown import parse, words
from newsletter.issues.models import Article, Issue, Section
from newsletter.issues.snippets import Piece, Term, mark, snippet

LONGEST_QUERY = 200  # characters; what follows is not looked for
LONGEST_TEXT = 200_000  # characters of folded words; PostgreSQL keeps a megabyte at the most
PER_PAGE = 20

QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
TERM = re.compile(r'"([^"]+)"|([^\s"]+)')

# The migration makes the function and its index on PostgreSQL, and the table on SQLite.
HOLDS_ALL = {
    "postgresql": "search_words(search_entry.headline_words, search_entry.text_words)"
    " @@ CAST(:all AS tsquery)",
    "sqlite": "search_entry.id IN (SELECT rowid FROM search_index WHERE search_index MATCH :all)",
}
AND = {"postgresql": " & ", "sqlite": " AND "}
QUOTED = {"postgresql": "'{}'", "sqlite": '"{}"'}


class SearchEntry(Base):
    """What is found of a public issue: one of its articles, or its subject and preheader.

    Entries are written and deleted, never changed: SQLite's index follows by triggers for these
    two. The words are folded, with a blank before, between and after them.
    """

    __tablename__ = "search_entry"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), index=True)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("article.id"))
    language: Mapped[str]
    headline: Mapped[str]
    text: Mapped[str]
    headline_words: Mapped[str]
    text_words: Mapped[str]


@dataclass(frozen=True)
class Hit:
    """An article that was found, or an issue by its subject: then it has no section."""

    number: int
    date: date
    section_slug: str | None
    section_title: str | None
    headline: list[Piece]
    snippet: list[Piece]


@dataclass(frozen=True)
class Answer:
    """A page of what was found in one language, and how much there is in each."""

    hits: list[Hit]
    page: int
    pages: int
    by_language: dict[str, int]

    @property
    def first(self) -> int:
        """The place of the page's first hit among all of them, from 1."""
        return (self.page - 1) * PER_PAGE + 1


def index(issue_id: int) -> None:
    """Let an issue be found by what it says now; call it when it becomes public or is revised.

    Raises `ValueError` if it is not public: whoever has an entry is found by everybody.
    """
    issue = db.session.get_one(Issue, issue_id)
    if not issue.is_public:
        raise ValueError(f"issue {issue.number} is not public")
    db.session.execute(delete(SearchEntry).where(SearchEntry.issue_id == issue_id))
    for subject in issue.subjects:
        _add(issue, subject.language, subject.subject, subject.preheader)
    for article in sorted(issue.articles, key=lambda one: one.section.position):
        _add(issue, article.language, article.headline, plain(article.body), article)
    db.session.flush()


def plain(markdown: str) -> str:
    """The words of an article as they are shown when found; each block on a line of its own."""
    return "\n".join(filter(None, (words([token]) for token in parse(markdown))))


def spaced(text: str) -> str:
    """The folded words of a text as an entry keeps them."""
    return f" {' '.join(folding.words(text))} "[:LONGEST_TEXT]


def read_query(query: str) -> list[Term]:
    """What a reader looks for: words, and "phrases" whose words stand next to each other.

    Words typed without a blank between them ("U.S.", "south-west") are a phrase too.
    """
    typed = query[:LONGEST_QUERY].translate(QUOTES)
    terms = (tuple(folding.words(one[1] or one[2])) for one in TERM.finditer(typed))
    return list(dict.fromkeys(filter(None, terms)))


def search(terms: Sequence[Term], language: str, page: int = 1) -> Answer:
    """Find what holds all the terms, first what has them in its headline, then by age.

    A page that is not there is the last one that is. Two statements.
    """
    if not terms:
        return Answer([], 1, 1, {})
    holds_all = _holds_all(terms)
    counts = select(SearchEntry.language, func.count()).where(holds_all)
    counted = db.session.execute(counts.group_by(SearchEntry.language)).all()
    by_language = dict(counted)
    pages = -(-by_language.get(language, 0) // PER_PAGE) or 1
    page = min(max(page, 1), pages)
    hits = _hits(terms, language, page) if language in by_language else []
    return Answer(hits, page, pages, by_language)


def _hits(terms: Sequence[Term], language: str, page: int) -> list[Hit]:
    """A page of what was found; only its own texts are read, however much there is."""
    in_headline = and_(*(_stands_in(SearchEntry.headline_words, term) for term in terms))
    rank = case((in_headline, 0), else_=1).label("rank")
    found = (
        select(SearchEntry.id, rank)
        .join(Issue, Issue.id == SearchEntry.issue_id)
        .where(_holds_all(terms), SearchEntry.language == language)
        .order_by(rank, Issue.number.desc(), SearchEntry.id)
        .limit(PER_PAGE)
        .offset((page - 1) * PER_PAGE)
        .subquery()
    )
    rows = (
        select(
            Issue.number,
            Issue.date,
            Section.slug,
            Article.section_title,
            SearchEntry.headline,
            SearchEntry.text,
        )
        .join_from(found, SearchEntry, SearchEntry.id == found.c.id)
        .join(Issue, Issue.id == SearchEntry.issue_id)
        .outerjoin(Article, Article.id == SearchEntry.article_id)
        .outerjoin(Section, Section.id == Article.section_id)
        .order_by(found.c.rank, Issue.number.desc(), SearchEntry.id)
    )
    return [
        Hit(number, date, slug, title, mark(headline, terms), snippet(text, terms))
        for number, date, slug, title, headline, text in db.session.execute(rows)
    ]


def _holds_all(terms: Sequence[Term]) -> ColumnElement[bool]:
    """Every word is there, and the words of each phrase stand next to each other."""
    dialect = db.engine.dialect.name
    words = dict.fromkeys(QUOTED[dialect].format(word) for term in terms for word in term)
    indexed = sql(HOLDS_ALL[dialect]).bindparams(all=AND[dialect].join(words))
    phrases = (
        or_(_stands_in(SearchEntry.headline_words, term), _stands_in(SearchEntry.text_words, term))
        for term in terms
        if len(term) > 1
    )
    return and_(indexed, *phrases)


def _stands_in(folded: SQLColumnExpression[str], term: Term) -> ColumnElement[bool]:
    return folded.contains(f" {' '.join(term)} ")


def _add(
    issue: Issue, language: str, headline: str, text: str, article: Article | None = None
) -> None:
    db.session.add(
        SearchEntry(
            issue_id=issue.id,
            article_id=None if article is None else article.id,
            language=language,
            headline=headline,
            text=text,
            headline_words=spaced(headline),
            text_words=spaced(text),
        )
    )
