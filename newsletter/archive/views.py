"""Past issues, for everyone."""

from newsletter.pages import ReaderPages

pages = ReaderPages("archive", __name__)
