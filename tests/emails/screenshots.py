"""Write every mail in every language to files and photograph it, to look at.

python -m tests.emails.screenshots OUT
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from newsletter.locales import LANGUAGES
from newsletter.mail.rendering import render_mail
from tests.emails.conftest import make_app
from tests.emails.samples import ISSUES, MAILS, SITE, articles, context_of

WIDTHS = (375, 700)
CHROMIUM = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]
SVG = {"Content-Type": "image/svg+xml"}
PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="700">
<rect width="1200" height="700" fill="#b9c3bd"/><path d="M0 500 L400 260 L800 420 L1200 180"
fill="none" stroke="#41544c" stroke-width="14"/></svg>"""


def write_mails(out: Path) -> list[Path]:
    """Render every mail in every language into a folder."""
    mails = {
        f"{name}-{language}": render_mail(name, language, **context_of(name, language))
        for name in MAILS
        for language in LANGUAGES
    }
    untranslated = {"issue": ISSUES["en"], "articles": articles("en")}
    mails["untranslated-ar"] = render_mail(
        "issue", "ar", **context_of("issue", "ar") | untranslated
    )
    for name, mail in mails.items():
        (out / f"{name}.html").write_text(mail.html, encoding="utf-8")
        text = f"Subject: {mail.subject}\n\n{mail.text}"
        (out / f"{name}.txt").write_text(text, encoding="utf-8")
    return [out / f"{name}.html" for name in mails]


def photograph(pages: list[Path]) -> None:
    """Take each page at phone and desktop width, light and dark."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                tab = browser.new_page(
                    viewport={"width": width, "height": 800},
                    color_scheme=scheme,
                )
                tab.route(f"{SITE}/**", lambda route: route.fulfill(body=PICTURE, headers=SVG))
                for page in pages:
                    tab.goto(page.as_uri())
                    tab.screenshot(
                        path=page.with_name(f"{page.stem}-{width}-{scheme}.png"), full_page=True
                    )
        browser.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with make_app().app_context():
        rendered = write_mails(folder)
    photograph(rendered)
