"""A weekly publication in sections, by mail and on the web, with every reader accounted for."""

from typing import cast
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from newsletter import operation
from newsletter.api import views as api
from newsletter.archive import about as _about  # noqa: F401  # adds its page
from newsletter.archive import extract_views as _extract_views  # noqa: F401  # adds its pages
from newsletter.archive import feed_views as _feed_views  # noqa: F401  # adds its pages
from newsletter.archive import images as _images  # noqa: F401  # adds its page
from newsletter.archive import search as _archive_search  # noqa: F401  # the same
from newsletter.archive import sitemap as _sitemap  # noqa: F401  # the same
from newsletter.archive import views as archive
from newsletter.archive.keeping import Shelf
from newsletter.background import init_background
from newsletter.database import db, limited, migrate
from newsletter.delivery import tasks as _delivery_tasks  # noqa: F401  # registers its tasks
from newsletter.delivery import traces as _delivery_traces  # noqa: F401  # tells what it holds
from newsletter.desk import account_views as _account_views  # noqa: F401  # adds its pages
from newsletter.desk import approval_views as _approval_views  # noqa: F401  # adds its pages
from newsletter.desk import check_tasks as _check_tasks  # noqa: F401  # registers its tasks
from newsletter.desk import check_views as _check_views  # noqa: F401  # adds its pages
from newsletter.desk import door as desk
from newsletter.desk import export_views as _export_views  # noqa: F401  # adds its pages
from newsletter.desk import image_views as _image_views  # noqa: F401  # adds its pages
from newsletter.desk import issue_views as _issue_views  # noqa: F401  # the same
from newsletter.desk import log_views as _log_views  # noqa: F401  # adds its page
from newsletter.desk import login
from newsletter.desk import people_views as _people_views  # noqa: F401  # adds its pages
from newsletter.desk import plan_views as _plan_views  # noqa: F401  # adds its pages
from newsletter.desk import preview_views as _preview_views  # noqa: F401  # adds its pages
from newsletter.desk import progress_views as _progress_views  # noqa: F401  # adds its page
from newsletter.desk import proof_views as _proof_views  # noqa: F401  # adds its pages
from newsletter.desk import report_views as _report_views  # noqa: F401  # adds its pages
from newsletter.desk import revision_views as _revision_views  # noqa: F401  # adds its pages
from newsletter.desk import section_views as _section_views  # noqa: F401  # adds its pages
from newsletter.desk import sending as _desk_sending  # noqa: F401  # adds its pages
from newsletter.desk import settings_views as _settings_views  # noqa: F401  # adds its page
from newsletter.desk import steering as _desk_steering  # noqa: F401  # the same
from newsletter.desk import subject_views as _subject_views  # noqa: F401  # adds its pages
from newsletter.desk import subscriber_views as _reader_views  # noqa: F401  # adds its pages
from newsletter.desk import tasks as _desk_tasks  # noqa: F401  # registers its tasks
from newsletter.desk import upload_views as _upload_views  # noqa: F401  # adds its pages
from newsletter.desk import week_views as _week_views  # noqa: F401  # adds its pages
from newsletter.desk import writing_views as _writing_views  # noqa: F401  # adds its pages
from newsletter.limits import NetworkLimits
from newsletter.links import Links
from newsletter.mailbox import views as mailbox
from newsletter.pages import Application, init_pages
from newsletter.settings import LOOPBACK, Settings, load_settings
from newsletter.subscribers import data_views as _data_views  # noqa: F401  # adds its pages
from newsletter.subscribers import embed_views as _embed_views  # noqa: F401  # adds its pages
from newsletter.subscribers import gate_views as _gate_views  # noqa: F401  # the same
from newsletter.subscribers import leaving_views as _leaving_views  # noqa: F401  # adds its pages
from newsletter.subscribers import never_again_views as _never_again_views  # noqa: F401  # the same
from newsletter.subscribers import pages as subscribers
from newsletter.subscribers import preference_views as _preference_views  # noqa: F401  # the same
from newsletter.subscribers import tasks as _subscriber_tasks  # noqa: F401  # registers its tasks
from newsletter.subscribers import views as _signup_views  # noqa: F401  # adds its pages
from newsletter.subscribers.recent import Recent

LARGEST_REQUEST = 2 * 1024 * 1024  # bytes; an issue file may have 1 MiB


def create_app(settings: Settings | None = None) -> Flask:
    """Put the parts together: the only function that knows them all."""
    settings = settings or load_settings()
    app = Application(__name__, instance_path=str(settings.instance_path.absolute()))
    app.config.from_mapping(flask_config(settings))
    app.extensions["settings"] = settings
    app.extensions["links"] = Links(settings.secret_keys)
    app.extensions["network_limits"] = NetworkLimits()
    app.extensions["shelf"] = Shelf()
    app.extensions["recent_signups"] = Recent()
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # Flask's documented way
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )

    settings.instance_path.mkdir(parents=True, exist_ok=True)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(operation.MIGRATIONS), render_as_batch=True)
    init_background(app, settings.redis_url)
    init_pages(app)
    login.init_login(app)

    for blueprint in (subscribers.pages, archive.pages, api.pages, desk.pages, operation.pages):
        app.register_blueprint(blueprint)
    if settings.catches_mail:
        app.register_blueprint(mailbox.pages)
    return app


def flask_config(settings: Settings) -> dict[str, object]:
    """What Flask and its extensions want to know, from our settings."""
    return {
        "SECRET_KEY": settings.secret_keys[0],
        "SECRET_KEY_FALLBACKS": list(settings.secret_keys[1:]),
        "SQLALCHEMY_DATABASE_URI": limited(settings.database_url),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "hide_parameters": True,  # readers' addresses are among them, and errors are logged
        },
        "MAX_CONTENT_LENGTH": LARGEST_REQUEST,
        "TRUSTED_HOSTS": trusted_hosts(settings),
        "BABEL_DEFAULT_LOCALE": settings.default_language,
        "BABEL_DEFAULT_TIMEZONE": settings.time_zone,
        "SESSION_COOKIE_NAME": "desk",
        "SESSION_COOKIE_PATH": "/desk",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": not settings.is_trial,
        "WTF_CSRF_CHECK_DEFAULT": False,  # the desk asks for it; reader pages have no cookie
        "WTF_CSRF_TIME_LIMIT": None,
    }


def trusted_hosts(settings: Settings) -> list[str] | None:
    """The hosts that we answer for, so that no redirect leads to another; in a trial, all.

    Loopback is among them for health checks.
    """
    if settings.is_trial:
        return None
    return [cast(str, urlsplit(settings.public_url).hostname), *LOOPBACK]
