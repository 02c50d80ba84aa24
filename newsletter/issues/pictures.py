"""Make pictures that mails and pages can show out of whatever file an editor has.

Nothing of the file goes on but its pixels: it is decoded, turned upright, brought into sRGB,
made smaller and encoded anew. What a camera writes into a picture (where, when, whose) ends here.
Of a moving picture the first frame stays.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from threading import Lock

from PIL import ExifTags, Image, ImageCms

from newsletter.errors import NewsletterError
from newsletter.locales import translatable

LARGEST_FILE = 10 * 1024 * 1024  # bytes
MOST_PIXELS = 50_000_000  # a small file can claim any number, and each takes memory
MOST_KEPT_WHOLE = 16_000_000  # pixels: of what cannot be made smaller while it is decoded
WIDTHS = (600, 1200)  # for mails and phones, and for pages on a desktop
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
JPEG_QUALITY = 82
FEW_COLOURS = 256  # a drawing or a chart, which JPEG would smear
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error)
"""What Pillow raises for files that are cut off or made up."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes an orientation (EXIF 3.0, tag 0x0112)."""
_one_at_a_time = Lock()  # each takes up to two hundred megabytes for a moment


class Flaw(StrEnum):
    """Why a file is not taken, in a sentence for whoever chose it."""

    EMPTY = translatable("Please choose a picture first.")
    TOO_LARGE = translatable(
        "The file is larger than 10 MB. Save the picture smaller, and try again."
    )
    UNKNOWN = translatable(
        "This is no picture that we can read. JPEG, PNG, WebP and GIF are taken."
    )
    TOO_MANY_PIXELS = translatable(
        "The picture has more than 50 million pixels. Save it smaller, and try again."
    )
    TOO_MANY_FOR_ITS_KIND = translatable(
        "The picture has more than 16 million pixels. Save it smaller or as a JPEG, and try again."
    )


class BadPicture(NewsletterError):
    """A file that is no picture for us; `flaw` says why."""

    page = "bad_picture"
    status = 422

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


@dataclass(frozen=True)
class Picture:
    """A picture encoded by us; `width` and `height` in pixels."""

    width: int
    height: int
    media_type: str
    data: bytes


def encode(file: bytes) -> list[Picture]:
    """The picture in a file in one or two widths, the narrow one first; it is never enlarged.

    Raises `BadPicture`.
    """
    if not file:
        raise BadPicture(Flaw.EMPTY)
    if len(file) > LARGEST_FILE:
        raise BadPicture(Flaw.TOO_LARGE)
    with _one_at_a_time:
        return _encoded_in_widths(_decoded(file))


def _encoded_in_widths(image: Image.Image) -> list[Picture]:
    is_drawing = image.mode == "RGBA" or image.getcolors(FEW_COLOURS) is not None
    return [
        _encoded(_narrowed(image, width), is_drawing=is_drawing)
        for width in sorted({min(image.width, width) for width in WIDTHS})
    ]


def _decoded(file: bytes) -> Image.Image:
    """The pixels, upright, as RGB, or as RGBA if something shines through."""
    try:
        with Image.open(BytesIO(file), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadPicture(Flaw.TOO_MANY_PIXELS)
            if image.format != "JPEG" and image.width * image.height > MOST_KEPT_WHOLE:
                raise BadPicture(Flaw.TOO_MANY_FOR_ITS_KIND)
            image.draft("RGB", (WIDTHS[-1], WIDTHS[-1]))  # decodes a JPEG no larger than needed
            image.load()
            return _plain(_in_srgb(_upright(image)))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(Flaw.TOO_MANY_PIXELS) from error
    except BROKEN as error:
        raise BadPicture(Flaw.UNKNOWN) from error


def _upright(image: Image.Image) -> Image.Image:
    """Nothing but the orientation is read of what a camera wrote; broken, it says nothing."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except BROKEN:
        return image
    return image if turn is None else image.transpose(turn)


def _in_srgb(image: Image.Image) -> Image.Image:
    """Without their profiles phones' pictures would look pale; a broken one says nothing."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return image
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGBA" if image.mode == "RGBA" else "RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image


def _plain(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            return image
    return image.convert("RGB")


def _narrowed(image: Image.Image, width: int) -> Image.Image:
    if width == image.width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, *, is_drawing: bool) -> Picture:
    """JPEG for photographs; PNG for drawings, and for what something shines through."""
    written = BytesIO()
    image.info.clear()  # a comment, a profile
    if is_drawing:
        kind = "image/png"
        if image.mode == "RGB":  # made smaller, it has more colours than it needs
            image = image.quantize(FEW_COLOURS, dither=Image.Dither.NONE)
        image.save(written, "PNG", optimize=True)
    else:
        kind = "image/jpeg"
        image.save(written, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return Picture(image.width, image.height, kind, written.getvalue())
