"""What programs may send."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from newsletter.errors import NewsletterError

MOST_SECTIONS = 62  # as many as there can be
Word = Annotated[str, StringConstraints(max_length=100)]


class BadDocument(NewsletterError):
    """This is no JSON, or says something else than was asked for."""

    page = "bad_request"


class SubscriptionRequest(BaseModel):
    """Who wants to get which sections in which language; no section means all.

    `stamp` is what an answer gave that asked for the request once more.
    """

    model_config = ConfigDict(extra="forbid")

    address: Annotated[str, StringConstraints(max_length=2000)]
    sections: Annotated[list[Word], Field(max_length=MOST_SECTIONS)] = []
    language: Word | None = None
    stamp: Word = ""


def read_subscription_request(body: bytes) -> SubscriptionRequest:
    """Read a JSON document; raises `BadDocument` with all that is wrong in it."""
    try:
        return SubscriptionRequest.model_validate_json(body)
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_context=False, include_input=False)
        raise BadDocument(" ".join(_sentence(e["loc"], e["msg"]) for e in complaints)) from None


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    name = ".".join(ascii(part)[:60].strip("'") for part in place)
    return f"{name}: {message}." if name else f"{message}."
