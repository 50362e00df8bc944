"""Every template, in text and HTML, with ordinary and with hostile values."""

import email
import email.policy
import functools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from rows import every

from identry.core.mail import EVENTS, MailTemplateError, RenderedMail, Renderer
from identry.core.mail.events import APP, ASKED_IN, PAGES
from identry.core.mail.mime import BadAddressError, compose, origin_of
from identry.core.mail.outbox import instant
from identry.core.mail.render import one_line, person

NOW = datetime(2026, 3, 3, 13, 5, tzinfo=UTC)
TEMPLATES_PAGE = Path(__file__).parents[4] / "docs" / "mail-templates.md"

HOSTILE = {
    "markup": "<script>alert(1)</script>",
    "attribute": "\"><img src=x onerror=alert('1')>",
    "header": "Ada\r\nBcc: eve@example.org\r\n\r\nHello",
    "template": "{{ 7*7 }}{% raw %}",
    "override": "Ada \u202egpj.exe\u202c\u2066",
    "line separators": "Ada\u2028Subject: hi\u2029\x85there",
    "nul and bells": "A\x00d\x07a\x1b[31m",
    "advert": "Win at https://evil.example/now",
    "bare domain": "visit evil.example today",
    "very long": "A" * 5000,
    "surrogate": "Ada \ud800",
}
HARMLESS = ["Ada Lovelace", "José Ñandú", "محمد بن موسى", "王小明", "👩‍🚀 Ada", "J. R. O'Neil & Söhne", ""]


def render(name: str, renderer: Renderer, value: str = "Ada") -> RenderedMail:
    event = EVENTS[name]
    context = dict.fromkeys(event.required | event.optional, value)
    if "expires_at" in context:
        context["expires_at"] = instant(NOW + timedelta(minutes=60))
    if event.link:  # an administrator's, with a token of ours
        context[event.link] = "https://app.example.com/welcome?token=abc"
    return renderer.render(name, to="ada@example.org", context=context, created_at=NOW)


@functools.cache
def plain_mail(name: str, renderer: Renderer) -> RenderedMail:
    """With an ordinary value."""
    return render(name, renderer)


@every("value", HOSTILE.values(), ids=HOSTILE.keys())
@every("name", EVENTS)
def test_a_hostile_value_stays_a_harmless_word(name: str, value: str, renderer: Renderer) -> None:
    mail = render(name, renderer, value)
    plain = plain_mail(name, renderer)
    tags = re.compile(r"<(script|img|a|style)\b", re.IGNORECASE)
    assert tags.findall(mail.html) == tags.findall(plain.html)
    assert len(mail.text.splitlines()) == len(plain.text.splitlines())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00\x07\x1b\r]", mail.subject + mail.text + mail.html)
    assert all(link.startswith("https://app.example.com/") for link in mail.links)
    for part in (mail.text, re.sub(r'(href|src)="[^"]*"', "", mail.html)):
        assert "evil.example" not in re.sub(r"https://app\.example\.com/\S+", "", part)
    message = compose(
        mail, mail_id=uuid4(), origin=origin_of("no-reply@example.com", "Kisum"), to="ada@example.org", date=NOW
    )
    parsed = email.message_from_bytes(message.mime, policy=email.policy.default)
    assert parsed["Bcc"] is None
    assert parsed["Subject"] == mail.subject


@every("value", HARMLESS)
@every("name", EVENTS)
def test_an_ordinary_name_is_shown_as_it_is_written(name: str, value: str, renderer: Renderer) -> None:
    mail = render(name, renderer, value)
    if "full_name" in EVENTS[name].optional:
        assert mail.text.startswith(f"Hello {value},\n" if value else "Hello,\n")
    assert "{{" not in mail.text + mail.html
    assert "None" not in mail.text


@every("name", EVENTS)
def test_every_mail_says_why_it_came_and_what_to_do_if_it_was_not_you(name: str, renderer: Renderer) -> None:
    mail = render(name, renderer)
    for part in (mail.text, mail.html):
        assert "You get this message because" in part
        assert re.search(r"was this not you|did you not|not expecting this|do you not know", part, re.IGNORECASE)
    assert max(map(len, mail.text.splitlines())) <= 78
    assert mail.html.startswith("<!doctype html>")
    assert "<script" not in mail.html


@every(
    ("name", "link"),
    [
        ("admin_welcome", "https://app.example.com/login"),
        ("account_approved", "https://app.example.com/login"),
        ("password_reset", "https://app.example.com/reset-password?token=a-b_c"),
        ("invitation", "https://app.example.com/invite/a-b_c"),
        ("tenant_invitation", "https://app.example.com/invite/a-b_c"),
    ],
)
def test_links_lead_where_the_contract_says(name: str, link: str, renderer: Renderer) -> None:
    mail = render(name, renderer, "a-b_c")
    assert mail.links == (link,)
    assert f"\n{link}\n" in mail.text


def test_invitations_of_a_tenant_lead_to_the_single_page_app_and_other_mail_does_not() -> None:
    app = "https://cloud.example.net"
    two = Renderer(frontend_url="https://app.example.com", app_url=f"{app}/", app_name="Kisum Auth")
    assert render("tenant_invitation", two, "a-b_c").links == (f"{app}/invite/a-b_c",)
    assert render("invitation", two, "a-b_c").links == ("https://app.example.com/invite/a-b_c",)


def test_who_asks_for_a_new_password_comes_back_to_where_that_was() -> None:
    three = Renderer(
        frontend_url="https://app.example.com",
        app_url="https://cloud.example.com",
        issuer_url="https://auth.example.com/",
        app_name="Kisum Auth",
    )
    context = {"token": "a-b_c", "expires_at": instant(NOW)}
    for asked_in, host in (("", "app"), (PAGES, "auth"), (APP, "cloud")):
        told = context | {ASKED_IN: asked_in}
        mail = three.render("password_reset", to="ada@example.org", context=told, created_at=NOW)
        assert mail.links == (f"https://{host}.example.com/reset-password?token=a-b_c",)


def test_a_token_cannot_leave_its_place_in_the_link(renderer: Renderer) -> None:
    assert render("invitation", renderer, "../../x?y#z").links == (
        "https://app.example.com/invite/..%2F..%2Fx%3Fy%23z",
    )


@pytest.mark.parametrize(
    ("span", "said"),
    [(timedelta(minutes=60), "60 minutes"), (timedelta(days=7), "7 days"), (timedelta(hours=48), "2 days")],
)
def test_a_link_says_how_long_it_lives(span: timedelta, said: str, renderer: Renderer) -> None:
    context = {"token": "t", "expires_at": instant(NOW + span)}
    mail = renderer.render("password_reset", to="ada@example.org", context=context, created_at=NOW)
    assert f"for {said}\n" in mail.text
    assert said in mail.html
    assert re.search(r"until \d+ March 2026, 1\d:05 UTC", mail.text)


def test_the_logo_comes_from_the_front_end_unless_set(renderer: Renderer) -> None:
    assert 'src="https://app.example.com/logo_white.png"' in render("password_changed", renderer).html
    own = Renderer(frontend_url="https://app.example.com", app_name="X", logo_url="https://cdn.example.com/l.png")
    assert 'src="https://cdn.example.com/l.png"' in render("password_changed", own).html


def test_one_file_in_the_override_folder_wins_and_the_rest_stays(tmp_path: Path, renderer: Renderer) -> None:
    (tmp_path / "password_reset.txt").write_text("Subject: Neues Passwort für {{ app_name }}\n\nHier: {{ link }}\n")
    mine = Renderer(frontend_url="https://app.example.com", app_name="Kisum Auth", overrides=tmp_path)
    mail = render("password_reset", mine)
    assert mail.subject == "Neues Passwort für Kisum Auth"
    assert mail.text == "Hier: https://app.example.com/reset-password?token=Ada\n"
    assert mail.html == render("password_reset", renderer).html
    assert render("invitation", mine) == render("invitation", renderer)


def test_an_override_may_replace_only_the_layout(tmp_path: Path) -> None:
    (tmp_path / "layout.html").write_text("<h1>House style</h1>{% block body %}{% endblock %}")
    mine = Renderer(frontend_url="https://app.example.com", app_name="K", overrides=tmp_path)
    assert render("password_changed", mine).html.startswith("<h1>House style</h1>")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Subject: x\n\n{{ nonsense }}", "nonsense"),
        ("Subject: x\n\n{% if %}", "password_reset.txt, line 3"),
        ("No subject here\n\nbody", "first line"),
        ("Subject: only", "first line"),
    ],
)
def test_a_broken_override_is_told_at_the_start(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "password_reset.txt").write_text(text)
    with pytest.raises(MailTemplateError, match=problem):
        Renderer(frontend_url="https://app.example.com", app_name="K", overrides=tmp_path)


def test_a_missing_override_folder_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(MailTemplateError, match="not a folder"):
        Renderer(frontend_url="https://app.example.com", app_name="K", overrides=tmp_path / "gone")


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("no-reply@example.com", '"Kisum, Auth" <no-reply@example.com>'),
        ("Identity Team <id@example.com>", "Identity Team <id@example.com>"),
        ("id@bücher.example", '"Kisum, Auth" <id@xn--bcher-kva.example>'),
    ],
)
def test_the_sender_is_shown_with_a_name(sender: str, shown: str, renderer: Renderer) -> None:
    mail = render("password_changed", renderer)
    origin = origin_of(sender, "Kisum,\r\nAuth")
    message = compose(mail, mail_id=uuid4(), origin=origin, to="a@example.org", date=NOW)
    parsed = email.message_from_bytes(message.mime, policy=email.policy.default)
    assert parsed["From"] == shown
    assert parsed["Date"].datetime == NOW
    assert parsed["Message-ID"] == f"<{message.id}@{message.sender.partition('@')[2]}>"


def test_the_message_is_seven_bit_with_network_line_ends(renderer: Renderer) -> None:
    mail = render("account_approved", renderer, "محمد 👩‍🚀")
    message = compose(mail, mail_id=uuid4(), origin=origin_of("a@example.com", "K"), to="b@example.org", date=NOW)
    assert message.mime.isascii()
    assert b"\n" not in message.mime.replace(b"\r\n", b"")
    assert max(map(len, message.mime.split(b"\r\n"))) <= 998
    parsed = email.message_from_bytes(message.mime, policy=email.policy.default)
    text, html = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == mail.text
    assert html.get_content().replace("\r\n", "\n") == mail.html


@every("sender", ["", "nobody", "a@b.example\r\nBcc: x@y.example", "a@b@c", "a b@c.example"])
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(BadAddressError, match="EMAIL_FROM"):
        origin_of(sender, "K")


def test_a_name_that_looks_like_a_link_or_address_is_left_out() -> None:
    for name in ("http://x", "www.x.y", "a@b.c", "evil.example", "sub.evil.example/path", "<b>"):
        assert person(name) == ""
    for name in ("Dr. Ada B. Lovelace", "O'Neil-Smith", "Ada (Ops)", "محمد"):
        assert person(name) == name


def test_one_line_keeps_scripts_and_emoji_and_drops_what_hides() -> None:
    assert one_line(" a\tb\r\nc\u202e\u200bd 👩\u200d🚀 ") == "a b cd 👩\u200d🚀"


def test_every_mail_and_its_variables_are_explained() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|[^|]+\| ([^|]+) \|$", TEMPLATES_PAGE.read_text(), re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", names)) for cell, names in rows for name in re.findall(r"`(\w+)`", cell)}
    assert told.keys() == EVENTS.keys()
    for name, event in EVENTS.items():
        given = {"token", "url", ASKED_IN}  # become the link, or choose it
        expected = (event.required | event.optional) - given
        expected |= {"link"} if event.path or event.link else set()
        expected |= {"valid_for"} if "expires_at" in expected else set()
        assert told[name] == expected, name
