"""Our form on other people's pages: in a frame, or as plain HTML to be copied.

A page in a frame is the only one of ours that others may frame; it asks for nothing but what a
reader types, so there is nothing to be tricked into.
"""

from flask import Response, render_template, request

from newsletter.pages import HEADERS
from newsletter.subscribers.forms import signup_form
from newsletter.subscribers.gate_views import answer_signup_form
from newsletter.subscribers.pages import pages

POLICY = "Content-Security-Policy"
FRAMED = {"subscribers.embed", "subscribers.ask_embedded"}


@pages.after_request
def let_frame(response: Response) -> Response:
    """Let any page show the embedded form."""
    if request.endpoint in FRAMED:
        response.headers[POLICY] = HEADERS[POLICY].replace(
            "frame-ancestors 'none'", "frame-ancestors *"
        )
    return response


@pages.page("/subscribe/embed")
def embed() -> str:
    """The form alone, for a frame."""
    return render_template("subscribers/embed.html", form=signup_form())


@pages.page("/subscribe/embed", methods=["POST"])
def ask_embedded() -> Response:
    """Take a signup; the answer is shown in the frame, the same for every address."""
    return answer_signup_form(
        "subscribers/embed.html", "subscribers/embed_asked.html", source="form:/subscribe/embed"
    )


@pages.page("/subscribe/embed/code")
def embed_code() -> str:
    """What partners copy into their pages."""
    return render_template(
        "subscribers/embed_code.html",
        frame=render_template("subscribers/embed_frame.html").strip(),
        plain=render_template("subscribers/embed_plain.html", form=signup_form()).strip(),
    )
