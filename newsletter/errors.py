"""The refusals that we make on purpose: an expected no, with a page of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class NewsletterError(Exception):
    """A refusal that a reader, an editor or an operator can act on.

    The message is the sentence shown by the command line and by problem documents (RFC 9457);
    people on the web see `refusals/{page}.html` in their language. `headers` go with either.
    """

    page: ClassVar[str]
    status: ClassVar[int] = 400
    headers: Mapping[str, str] = MappingProxyType({})
