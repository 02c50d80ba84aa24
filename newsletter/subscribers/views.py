"""The pages where readers subscribe, confirm, choose and leave."""

from newsletter.pages import ReaderPages

pages = ReaderPages("subscribers", __name__)
