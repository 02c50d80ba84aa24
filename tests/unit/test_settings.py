"""What an operator may set, and how a wrong value is refused."""

import stat

import pytest

from newsletter.settings import ADDRESS, PREFIX, SettingsError, load_settings, socket_path

KEY = "a key that is long enough to sign with"
PRODUCTION = {
    "public_url": "https://news.example.org",
    "secret_key": KEY,
    "mail_from": "Libya Weekly <news@example.org>",
    "smtp_url": "smtp://user:hush@relay.example.org:587?starttls=true",
}


def load(tmp_path, **values):
    return load_settings(**{"_env_file": None, "instance_path": tmp_path, **values})


def test_nothing_need_be_set_for_a_trial(tmp_path):
    settings = load(tmp_path)

    assert settings.is_trial
    assert settings.catches_mail
    assert settings.database_url == f"sqlite:///{tmp_path}/newsletter.db"
    assert settings.redis_url == f"redis+socket://{tmp_path}/valkey.sock"
    assert settings.relay_url == f"smtp+unix://{tmp_path}/mail.sock"


def test_a_trial_makes_a_key_once_and_keeps_it_to_itself(tmp_path):
    first, second = load(tmp_path), load(tmp_path)

    assert first.secret_keys == second.secret_keys
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_production_takes_what_it_needs(tmp_path):
    settings = load(tmp_path, **PRODUCTION)

    assert not settings.is_trial
    assert not settings.catches_mail
    assert settings.bounce_domain == "example.org"
    assert settings.list_id == "weekly.example.org"
    assert settings.contact == "news@example.org"


def test_several_relays_stand_in_the_order_of_preference(tmp_path):
    first = "smtp://user:hush@one.example.org?connections=20"
    second = "smtps://two.example.org"

    settings = load(tmp_path, smtp_url=f" {first}\n{second} ")

    assert settings.relay_urls == (first, second)
    assert settings.relay_url == first
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("missing", ["secret_key", "mail_from", "smtp_url"])
def test_production_without_what_it_needs_does_not_start(tmp_path, missing):
    values = {name: value for name, value in PRODUCTION.items() if name != missing}

    with pytest.raises(SettingsError, match=f"{PREFIX}{missing.upper()}.* is required"):
        load(tmp_path, **values)


def test_production_makes_no_key_of_its_own(tmp_path):
    with pytest.raises(SettingsError):
        load(tmp_path, public_url="https://news.example.org")
    assert not (tmp_path / "secret_key").exists()


def test_production_is_https(tmp_path):
    with pytest.raises(SettingsError, match=r"PUBLIC_URL must be https"):
        load(tmp_path, **{**PRODUCTION, "public_url": "http://news.example.org"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret_key", "hush-too-short"),
        ("secret_key", f"{KEY},hush-too-short"),
        ("public_url", "news.example.org/hush"),
        ("public_url", "https://user:hush@news.example.org"),
        ("database_url", "mysql://user:hush@db/news"),
        ("redis_url", "http://user:hush@redis"),
        ("smtp_url", "relay:hush"),
        ("smtp_url", "smtp://user:hush@relay:99999"),
        ("smtp_url", "smtp://user:hush@relay?starttls=hush"),
        ("smtp_url", "smtp://relay.example.org smtp://user:hush@"),
        ("smtp_url", "smtp://user:hu sh@relay.example.org"),
        ("smtp_url", "smtp://u:hush@relay.example.org smtp://v:hush@relay.example.org:587"),
        ("smtp_url", "smtp+unix:///hush"),
        ("smtp_url", " "),
        ("messages_per_second", "hush"),
        ("messages_per_second", "0"),
        ("messages_per_second", "inf"),
        ("domain_limits", "hush.example"),
        ("domain_limits", "hush.example=5 hush.example=6"),
        ("mail_from", "hush"),
        ("mail_from", "News <news@example.org>\r\nBcc: hush@example.org"),
        ("bounce_domain", "hush"),
        ("publication_name", "hush\nhush"),
        ("default_language", "hush"),
        ("time_zone", "hush/hush"),
        ("smtp_connections", "hush"),
        ("smtp_connections", "0"),
        ("trusted_proxies", "-1"),
        ("signups_per_network_per_hour", "hush"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable_and_not_the_value(
    tmp_path, monkeypatch, name, value
):
    monkeypatch.setenv(PREFIX + name.upper(), value)

    with pytest.raises(SettingsError) as refusal:
        load(tmp_path)

    sentence = str(refusal.value)
    assert PREFIX + name.upper() in sentence
    assert "hush" not in sentence
    assert "\n" not in sentence


def test_an_empty_variable_is_as_good_as_none(tmp_path, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}SMTP_URL", "")
    assert load(tmp_path).catches_mail


def test_several_keys_are_told_apart(tmp_path):
    other = KEY[::-1]
    assert load(tmp_path, secret_key=f"{KEY}, {other}").secret_keys == (KEY, other)


def test_a_secret_may_be_a_file(tmp_path):
    (tmp_path / "newsletter_secret_key").write_text(f"{KEY}\n")
    assert load(tmp_path, _secrets_dir=tmp_path).secret_keys == (KEY,)


def test_settings_do_not_show_their_secrets(tmp_path):
    settings = load(tmp_path, **PRODUCTION)
    assert KEY not in repr(settings)
    assert "hush" not in repr(settings)


def test_a_socket_path_stays_below_what_the_kernel_takes(tmp_path):
    deep = tmp_path / ("d" * 120)
    assert len(socket_path(deep, "valkey.sock")) < 100
    assert socket_path(deep, "valkey.sock") == socket_path(deep, "valkey.sock")
    assert socket_path(tmp_path, "valkey.sock") == str(tmp_path / "valkey.sock")


NO_TEXT = b"\xff\xfe\x00\x01" * 16


def refusal_of(folder, **values):
    with pytest.raises(SettingsError) as refusal:
        load(folder, **values)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("folder", ["/proc/nope", "/etc/passwd", "/sys/kernel"])
def test_an_instance_folder_that_cannot_be_made_or_written_is_refused(folder):
    assert refusal_of(folder).startswith(f"{PREFIX}INSTANCE_PATH: ")


def test_a_key_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "secret_key").write_bytes(NO_TEXT)
    assert refusal_of(tmp_path).startswith(f"{PREFIX}SECRET_KEY: ")


def test_an_empty_key_file_is_called_empty(tmp_path):
    (tmp_path / "secret_key").write_text("\n")

    sentence = refusal_of(tmp_path)

    assert sentence.startswith(f"{PREFIX}SECRET_KEY: ")
    assert "is empty" in sentence


def test_a_secret_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "newsletter_secret_key").write_bytes(NO_TEXT)
    assert f"{PREFIX}SECRET_KEY" in refusal_of(tmp_path, _secrets_dir=tmp_path)


def test_a_file_of_settings_that_is_no_text_is_named(tmp_path):
    (tmp_path / "my.env").write_bytes(b"NEWSLETTER_PUBLICATION_NAME=Libya\xff\n")
    assert str(tmp_path / "my.env") in refusal_of(tmp_path, _env_file=tmp_path / "my.env")


def test_a_trial_is_found_where_it_last_ran(tmp_path):
    (tmp_path / ADDRESS).write_text("http://127.0.0.1:45961")
    assert load(tmp_path).public_url == "http://127.0.0.1:45961"
    assert load(tmp_path, public_url="http://localhost:8080").public_url == "http://localhost:8080"


@pytest.mark.parametrize("left", [b"", b"https://news.example.org", b"http://[::1", NO_TEXT])
def test_an_address_left_behind_that_is_none_of_a_trial_does_no_harm(tmp_path, left):
    (tmp_path / ADDRESS).write_bytes(left)
    assert load(tmp_path).public_url == "http://127.0.0.1:8000"
