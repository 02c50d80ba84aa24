"""The pictures of an issue: kept in the database, known on the web by an address nobody guesses.

They are public from the moment they are taken: a test of a draft is read in a mailbox, where
nobody is logged in. What stands at an address never changes.
"""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import selectinload, undefer

from newsletter import audit
from newsletter.database import db
from newsletter.issues.changes import begin_change
from newsletter.issues.models import Image, ImageSize
from newsletter.issues.pictures import Picture
from newsletter.pages import absolute_url

KEY_BYTES = 16
KEY_LENGTH = 2 * KEY_BYTES
EXTENSIONS = MappingProxyType({"image/jpeg": "jpg", "image/png": "png"})
IN_A_TEXT = re.compile(rf"/images/([0-9a-f]{{{KEY_LENGTH}}})(?:-\d+)?\.(?:jpg|png)", re.ASCII)


@dataclass(frozen=True)
class Shown:
    """One size of an image, and where it stands on the web."""

    url: str
    width: int
    height: int


def add_image(issue_id: int, pictures: Sequence[Picture], *, who: str, now: datetime) -> Image:
    """Keep a picture, in all its sizes, for a draft; raises `FrozenIssue`."""
    issue = begin_change(issue_id, now=now)
    image = Image(
        key=secrets.token_hex(KEY_BYTES),
        issue_id=issue_id,
        uploaded_at=now,
        uploaded_by=who,
        sizes=[
            ImageSize(
                width=picture.width,
                height=picture.height,
                media_type=picture.media_type,
                octets=len(picture.data),
                data=picture.data,
            )
            for picture in pictures
        ],
    )
    db.session.add(image)
    audit.note(who, f"Put an image into issue {issue.number}.", now=now, issue_id=issue_id)
    db.session.flush()
    return image


def images_of(issue_id: int) -> list[Image]:
    """The images that were put into an issue, the newest first."""
    query = select(Image).where(Image.issue_id == issue_id).options(selectinload(Image.sizes))
    return list(db.session.scalars(query.order_by(Image.id.desc())))


def find_size(key: str, width: int | None, extension: str) -> ImageSize | None:
    """An image in a width, or in its largest, with its data."""
    query = (
        select(ImageSize)
        .join(Image, Image.id == ImageSize.image_id)
        .where(Image.key == key)
        .options(undefer(ImageSize.data))
        .order_by(ImageSize.width.desc())
        .limit(1)
    )
    if width is not None:
        query = query.where(ImageSize.width == width)
    found = db.session.scalar(query)
    return found if found and EXTENSIONS[found.media_type] == extension else None


def address_of(image: Image) -> str:
    """The address that a text names it by, which shows its largest size."""
    return _url(image, image.sizes[-1], width=None)


def images_in(texts: Iterable[str]) -> dict[str, tuple[Shown, ...]]:
    """The sizes of every image of ours that texts name, by each address it may be named by."""
    keys = {key for text in texts for key in IN_A_TEXT.findall(text)}
    if not keys:
        return {}
    found: dict[str, tuple[Shown, ...]] = {}
    query = select(Image).where(Image.key.in_(keys)).options(selectinload(Image.sizes))
    for image in db.session.scalars(query):
        sizes = tuple(
            Shown(_url(image, size, width=size.width), size.width, size.height)
            for size in image.sizes
        )
        found[address_of(image)] = sizes
        found |= {size.url: sizes for size in sizes}
    return found


def in_mail(sizes: Sequence[Shown], widest: int) -> Mapping[str, str]:
    """How a mail shows an image: the narrow size, as wide as the column at most."""
    shown = sizes[0]
    return {"src": shown.url, "width": str(min(shown.width, widest))}


def on_page(sizes: Sequence[Shown]) -> Mapping[str, str]:
    """How a page shows an image: in the size that the browser chooses, its room known before."""
    largest = sizes[-1]
    attributes = {
        "src": largest.url,
        "width": str(largest.width),
        "height": str(largest.height),
        "loading": "lazy",
    }
    if len(sizes) > 1:
        attributes["srcset"] = ", ".join(f"{size.url} {size.width}w" for size in sizes)
        attributes["sizes"] = "(max-width: 40rem) 100vw, 38rem"
    return attributes


def _url(image: Image, size: ImageSize, *, width: int | None) -> str:
    named = {"key": image.key, "extension": EXTENSIONS[size.media_type]}
    if width is None:
        return absolute_url("archive.image", **named)
    return absolute_url("archive.image", **named, width=width)
