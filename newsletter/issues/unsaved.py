"""An issue as it would be with a text that nobody saved, to be looked at and never kept."""

from newsletter.issues.models import Article, Issue, Section
from newsletter.issues.revisions import Words
from newsletter.issues.sections import title_in


def with_unsaved(issue: Issue, section: Section, language: str, words: Words) -> Issue:
    """A copy of an issue, unknown to the database, that says something else in one article."""
    articles = [
        article
        for article in issue.articles
        if (article.section_id, article.language) != (section.id, language)
    ]
    if not words.is_blank:
        articles.append(
            Article(
                section_id=section.id,
                section=section,
                language=language,
                section_title=title_in(issue, section, language),
                headline=words.headline,
                body=words.body,
            )
        )
    return Issue(
        number=issue.number, date=issue.date, subjects=list(issue.subjects), articles=articles
    )
