"""Templates to mail: subject, text and HTML of one event, safe against whatever a name contains."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import jinja2

from identry.core.mail.events import APP, ASKED_IN, EVENTS, PAGES, Event

_BUILT_IN = Path(__file__).parent / "templates"
_SUBJECT = "Subject: "
_NAME_LIMIT = 80
# Something a mail program would turn into a link, or an address: no place in a person's name.
_LINK_LIKE = re.compile(r"[/\\@<>]|://|\bwww\.|[\w-]{2,}\.[^\W\d_]{2,}", re.IGNORECASE)


class MailTemplateError(ValueError):
    """A template that does not load or render; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """One mail in words. `links` are the targets in the HTML part, in order, each once."""

    subject: str
    text: str
    html: str
    links: tuple[str, ...]


class Renderer:
    """Renders every event of `EVENTS`.

    `frontend_url` starts every link (never a request's Host), `app_url` those to the single-page app and `issuer_url`
    those to our own pages (empty: the former), `app_name` signs, `logo_url` is the header image (empty:
    `{frontend_url}/logo_white.png`). A file in the folder `overrides` wins over the built-in one of that name.

    Raises:
        MailTemplateError: `overrides` is not a folder, or one of its templates does not render.
    """

    def __init__(
        self,
        *,
        frontend_url: str,
        app_name: str,
        app_url: str = "",
        issuer_url: str = "",
        logo_url: str = "",
        overrides: Path | None = None,
    ) -> None:
        self._frontend_url = frontend_url.rstrip("/")
        self._app_url = (app_url or frontend_url).rstrip("/")
        self._issuer_url = (issuer_url or frontend_url).rstrip("/")
        self._app_name = one_line(app_name)
        folders = [_BUILT_IN] if overrides is None else [overrides, _BUILT_IN]
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        self._environment.filters["on"] = _on
        self._environment.globals.update(
            app_name=self._app_name,
            frontend_url=self._frontend_url,
            logo_url=logo_url or f"{self._frontend_url}/logo_white.png",
        )
        if overrides is not None:
            self._check(overrides)

    def render(self, template: str, *, to: str, context: Mapping[str, str], created_at: datetime) -> RenderedMail:
        """The mail of event `template` for `to`; `created_at` is when it was caused.

        Raises:
            MailTemplateError: the template is broken (only possible for an overridden one).
            KeyError: no such event.
        """
        event = EVENTS[template]
        values: dict[str, str | datetime] = dict.fromkeys(event.required | event.optional, "")
        for key, value in context.items():
            values[key] = datetime.fromisoformat(value) if key.endswith("_at") else person(value)
        values.pop("token", None)  # it belongs in the link and nowhere else
        values.pop(event.link, None)
        values.pop(ASKED_IN, None)
        link = context.get(event.link, "")
        if event.path is not None:
            base = self._base(event, context.get(ASKED_IN, ""))
            link = base + event.path.format(token=quote(context.get("token", ""), safe="", errors="replace"))
        expires_at = values.get("expires_at")
        valid_for = _duration(expires_at - created_at) if isinstance(expires_at, datetime) else ""
        everything = {**values, "to": one_line(to), "created_at": created_at, "link": link, "valid_for": valid_for}
        try:
            text = self._environment.get_template(f"{template}.txt").render(everything)
            html = self._environment.get_template(f"{template}.html").render(everything)
        except jinja2.TemplateError as error:
            raise MailTemplateError(_explain(template, error)) from error
        subject, body = _split(template, text)
        return RenderedMail(subject=subject, text=body, html=html.strip() + "\n", links=_links(html))

    def _base(self, event: Event, asked_in: str) -> str:
        """Where the links of a mail lead."""
        if event.to_issuer or asked_in == PAGES:
            return self._issuer_url
        return self._app_url if event.to_app or asked_in == APP else self._frontend_url

    def _check(self, overrides: Path) -> None:
        if not overrides.is_dir():
            raise MailTemplateError(f"{overrides} is not a folder")
        now = datetime.fromtimestamp(0, UTC)
        for name, event in EVENTS.items():
            keys = event.required | event.optional
            sample = {key: "1970-01-02T00:00:00Z" if key.endswith("_at") else "Sample" for key in keys}
            self.render(name, to="sample@example.org", context=sample, created_at=now)


def one_line(value: str) -> str:
    """`value` as one harmless line: no control, bidirectional-override or line-separating characters.

    Letters of every script, emoji and the joiners inside them stay. What is left cannot start a mail header.
    """
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} else c for c in value if not _invisible(c))
    return " ".join("".join(kept).split())


def person(value: str) -> str:
    """A name as mail may show it: one line, shortened, and empty when it looks like a link or an address.

    Who registers chooses a name freely and mail goes to any address: without this rule a stranger could have us
    send an invitation to *their* site to anyone.
    """
    name = one_line(value)
    if _LINK_LIKE.search(name[: 2 * _NAME_LIMIT]):  # it takes the square of the length; what is beyond is not shown
        return ""
    return name if len(name) <= _NAME_LIMIT else name[: _NAME_LIMIT - 1].rstrip() + "…"


def _invisible(character: str) -> bool:
    # Formatting characters change how the rest of the line reads; ZWNJ and ZWJ belong to words and emoji.
    return unicodedata.category(character) == "Cf" and character not in "\u200c\u200d"


def _on(value: datetime) -> str:
    """An instant for people: `3 March 2026, 14:05 UTC`."""
    utc = value.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def _duration(span: timedelta) -> str:
    minutes = max(round(span.total_seconds() / 60), 1)
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes % size == 0 and minutes >= 2 * size:
            return f"{minutes // size} {unit}s"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _split(template: str, text: str) -> tuple[str, str]:
    head, _, body = text.strip().partition("\n")
    if not head.startswith(_SUBJECT) or not body.strip():
        raise MailTemplateError(f"{template}.txt: the first line must be 'Subject: …', then the text")
    return one_line(head.removeprefix(_SUBJECT)), body.strip() + "\n"


def _explain(template: str, error: jinja2.TemplateError) -> str:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{error.name or template}, line {error.lineno}: {error.message}"
    return f"{template}: {error.message}"


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href and href.startswith(("http://", "https://")):
            self.found[href] = None


def _links(html: str) -> tuple[str, ...]:
    anchors = _Anchors()
    anchors.feed(html)
    return tuple(anchors.found)
