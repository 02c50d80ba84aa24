"""The colours can be read, by day and by night."""

import pytest
from jinja2 import Environment, FileSystemLoader

from newsletter.mail.rendering import EMAILS

LOOK = (
    Environment(loader=FileSystemLoader(EMAILS), autoescape=True)
    .get_template("layouts/look.mjml")
    .module
)


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("shade", ["", "dark_"])
@pytest.mark.parametrize("colour", ["ink", "quiet", "accent"])
def test_every_colour_of_type_can_be_read_on_its_paper(shade, colour):
    paper = getattr(LOOK, f"{shade}paper")

    assert contrast(getattr(LOOK, f"{shade}{colour}"), paper) >= 4.5
    assert paper not in {"#ffffff", "#000000"}
