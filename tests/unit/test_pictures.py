"""Pictures: whatever comes in, what goes out is small, upright and says nothing of its maker."""

import struct
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from newsletter.issues import pictures
from newsletter.issues.pictures import BadPicture, Flaw, encode

UPRIGHT_IS_RIGHT = 6  # EXIF: the camera was held on its side
RED, BLUE = (200, 30, 30), (30, 30, 200)


def photograph(width=1600, height=1000):
    """A picture with thousands of colours, red at its left and blue at its right."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across.point(lambda x: 255 - x), down, across))


def drawing(mode="RGB", size=(800, 400)):
    """A few bars, as in a chart."""
    image = Image.new(mode, size, "white" if mode == "RGB" else (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((100, 100, 300, 300), fill=RED)
    return image


def file(image, kind="PNG", **options):
    written = BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def opened(picture):
    return Image.open(BytesIO(picture.data))


def flaw_of(data):
    with pytest.raises(BadPicture) as refused:
        encode(data)
    return refused.value.flaw


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_every_usual_kind_is_taken_and_comes_out_for_phones_and_desktops(kind):
    narrow, wide = encode(file(photograph(), kind))

    assert (narrow.width, narrow.height) == (600, 375)
    assert (wide.width, wide.height) == (1200, 750)
    for picture in (narrow, wide):
        assert opened(picture).size == (picture.width, picture.height)
        assert opened(picture).format == picture.media_type.removeprefix("image/").upper()


@pytest.mark.parametrize(("width", "widths"), [(1, [1]), (600, [600]), (700, [600, 700])])
def test_a_picture_is_never_enlarged(width, widths):
    assert [picture.width for picture in encode(file(photograph(width, 40)))] == widths


def test_a_photograph_becomes_a_jpeg_and_a_drawing_a_png():
    assert {p.media_type for p in encode(file(photograph()))} == {"image/jpeg"}
    assert {p.media_type for p in encode(file(drawing(size=(1600, 400))))} == {"image/png"}


def test_what_shines_through_goes_on_doing_so():
    picture = encode(file(drawing("RGBA")))[0]

    assert opened(picture).convert("RGBA").getpixel((5, 5))[3] == 0
    assert opened(picture).convert("RGBA").getpixel((150, 150)) == (*RED, 255)


def test_a_picture_taken_on_its_side_stands_upright():
    image = Image.new("RGB", (800, 400), RED)
    image.paste(BLUE, (400, 0, 800, 400))
    exif = Image.Exif()
    exif[0x0112] = UPRIGHT_IS_RIGHT

    picture = encode(file(image, "JPEG", exif=exif))[0]

    assert (picture.width, picture.height) == (400, 800)
    red, _, blue = opened(picture).convert("RGB").getpixel((200, 40))
    assert red > blue  # what was at the left is at the top


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_that_a_camera_or_a_program_wrote_into_it_goes_on(kind):
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif.get_ifd(0x8825)[2] = (32.0, 45.0, 9.0)  # where it was
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", "Secret Author")
    more: dict[str, Any] = {"PNG": {"pnginfo": words}, "JPEG": {"comment": b"Secret Comment"}}
    more = more.get(kind, {})
    data = file(photograph(), kind, exif=exif, xmp=b"<x>Secret Place</x>", **more)
    assert b"Secret" in data

    for picture in encode(data):
        assert b"Secret" not in picture.data
        assert not opened(picture).getexif()
        assert not {"exif", "icc_profile", "xmp", "comment", "Author"} & opened(picture).info.keys()


def test_a_picture_with_a_profile_of_its_own_keeps_its_colours():
    image = Image.new("LAB", (50, 50), (160, 190, 190)).convert("LAB")
    lab = ImageCms.createProfile("LAB")
    red = ImageCms.profileToProfile(image, lab, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert red
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    for given_profile in (profile, b"no profile"):
        picture = encode(file(red, icc_profile=given_profile))[0]
        assert opened(picture).convert("RGB").getpixel((9, 9)) == red.getpixel((9, 9))


def test_of_a_moving_picture_the_first_frame_stays():
    frames = [Image.new("RGB", (60, 60), colour) for colour in (RED, BLUE)]
    moving = file(frames[0], "GIF", save_all=True, append_images=frames[1:])

    picture = encode(moving)[0]

    assert opened(picture).convert("RGB").getpixel((9, 9)) == RED
    assert getattr(opened(picture), "n_frames", 1) == 1


def test_a_small_file_that_claims_to_be_huge_is_refused_before_it_is_decoded():
    for size in ((10_000, 5_001), (60_000, 60_000)):
        bomb = bytearray(file(Image.new("1", (8, 8))))
        header = b"IHDR" + size[0].to_bytes(4) + size[1].to_bytes(4) + bytes(bomb[24:29])
        bomb[12:29] = header
        bomb[29:33] = PngImagePlugin._crc32(header).to_bytes(4)
        assert flaw_of(bytes(bomb)) is Flaw.TOO_MANY_PIXELS


def test_what_is_decoded_whole_may_have_fewer_pixels_than_a_photograph():
    large = Image.new("1", (5_000, 3_201))

    assert flaw_of(file(large)) is Flaw.TOO_MANY_FOR_ITS_KIND
    assert encode(file(large.convert("L"), "JPEG"))


def test_what_a_camera_wrote_wrongly_spoils_no_picture():
    held_on_its_side = struct.pack(">HHI4s", 0x0112, 3, 1, b"\0\x06\0\0")
    no_white_point = struct.pack(">HHI4s", 0x013E, 2, 4, b"C\0m\0") + b"\0" * 4
    wrong = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + held_on_its_side + no_white_point

    picture = encode(file(Image.new("RGB", (60, 40), RED), "JPEG", exif=wrong))[0]

    assert (picture.width, picture.height) == (40, 60)


def test_what_is_no_picture_is_refused_in_a_sentence():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    assert flaw_of(b"") is Flaw.EMPTY
    assert flaw_of(b"hello") is Flaw.UNKNOWN
    assert flaw_of(svg) is Flaw.UNKNOWN
    assert flaw_of(file(photograph(), "TIFF")) is Flaw.UNKNOWN
    assert flaw_of(file(photograph(), "JPEG")[:2000]) is Flaw.UNKNOWN
    assert flaw_of(b"\xff" * (pictures.LARGEST_FILE + 1)) is Flaw.TOO_LARGE


@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]),
    at=st.integers(0, 2_000),
    noise=st.binary(min_size=1, max_size=20),
)
def test_a_damaged_file_is_taken_or_refused_and_nothing_else(kind, at, noise):
    data = bytearray(file(photograph(48, 32), kind))
    at %= len(data)
    data[at : at + len(noise)] = noise

    with suppress(BadPicture):
        assert encode(bytes(data))
