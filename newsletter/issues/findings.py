"""What a check finds: a sentence, the place it is about, and what to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from babel import Locale

from newsletter.issues.models import Article


class Part(StrEnum):
    """Where in an issue something was found."""

    ARTICLE = "article"
    SUBJECT = "subject"
    PLAN = "plan"
    LINKS = "links"


@dataclass(frozen=True)
class Tongue:
    """A language, to be named in the language of whoever reads the sentence."""

    tag: str

    def __str__(self) -> str:
        return str(Locale.parse(self.tag).english_name)


@dataclass(frozen=True)
class Place:
    """The text that a finding is about; an article's has a section by its slug."""

    part: Part
    language: str = ""
    slug: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found, known by the `key` of its check.

    `words` and `remedy` are messages of the catalogues; `facts` stand in the holes of both, as
    they are known when they are shown: a `Tongue` by its name.
    """

    key: str
    words: str
    remedy: str
    place: Place | None = None
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.words % self.facts

    def said(self, translate: Callable[..., str], name: Callable[[str], str]) -> tuple[str, str]:
        """The sentence and the remedy, translated; `name` says what a language is called."""
        facts = {
            key: name(value.tag) if isinstance(value, Tongue) else value
            for key, value in self.facts.items()
        }
        return translate(self.words, **facts), translate(self.remedy, **facts)


def article_place(article: Article) -> Place:
    """Where an article stands."""
    return Place(Part.ARTICLE, article.language, article.section.slug)


def article_facts(article: Article, **more: object) -> dict[str, object]:
    """What a sentence about an article says of it."""
    return {"language": Tongue(article.language), "section": article.section_title} | more
