"""The pages of one's own account: one frame around all of them, and what each sensitive form asks for first.

A form ends in another page (303) with word of what was done: kept for a minute in a cookie, told once. Who signed in
too long ago for what they want is sent over the sign-in and back (`web/step_up.py` decides; on a page it is a detour).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from markupsafe import Markup

from identry.core import time_zones
from identry.core.db import Executor
from identry.pages import Texts
from identry.records import user_profiles
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.faults import Faults
from identry.web.operations import Guard, Handler, Operation
from identry.web.pages import Pages, Show, SignInFirst
from identry.web.step_up import CodeRequired, SignInAgain
from identry_kit.apierror import APIError

HOME = "/account"
SECTIONS = (
    ("overview", HOME, "home"),
    ("profile", f"{HOME}/profile", "person"),
    ("security", f"{HOME}/security", "shield"),
    ("sessions", f"{HOME}/sessions", "device"),
    ("apps", f"{HOME}/apps", "grid"),
    ("identities", f"{HOME}/identities", "link"),
    ("history", f"{HOME}/history", "clock"),
)
"""What there is: the key of its text, its address, its picture."""

_TOLD_SECONDS = 60
_NOWHERE: Mapping[str, str] = MappingProxyType({})


class AccountPages:
    """Makes the answers and rows of the account's pages.

    Args:
        pages: makes pages.
        db: knows language and time zone of whoever looks.
        secure: whether browsers reach the pages over TLS.
        sections: those that this deployment has.
    """

    def __init__(self, pages: Pages, db: Executor, *, secure: bool, sections: Iterable[str] = ()) -> None:
        self.pages = pages
        self._db = db
        self._told = Cookie("__Host-identry_told" if secure else "identry_told", "/", _TOLD_SECONDS, "Lax", secure)
        wanted = frozenset(sections)
        self._sections = [section for section in SECTIONS if not wanted or section[0] in wanted]

    # -- answers -----------------------------------------------------------------------------------------------------

    async def show(
        self,
        call: Call,
        section: str,
        template: str,
        error: APIError | None = None,
        *,
        at: Mapping[str, str] = _NOWHERE,
        **values: Any,
    ) -> Answer:
        """A page of the account of whoever is signed in (see `Pages.show`).

        Args:
            call: the request.
            section: where it hangs.
            template: below `templates/account`.
            error: what its form ran into.
            at: code of an error → the field that it is about.
            values: what the template shows.
        """
        told = await user_profiles.find(self._db, call.actor.user.id)
        texts = self.pages.texts(call, own=told.language or "")
        zone = time_zones.zone(told.timezone or "") or UTC
        word, cookies = self._word(call, texts) if error is None else (None, ())
        return self.pages.show(
            call,
            f"account/{template}.html",
            error=error,
            language=told.language or "",
            cookies=cookies,
            faults=_faults(error, texts, at),
            me=call.actor.user,
            section=section,
            sections=self._sections,
            word=word,
            when=_teller(texts, zone, "moment"),
            on=_teller(texts, zone, "day"),
            **values,
        )

    def done(self, where: str, key: str, *cookies: tuple[bytes, bytes], **values: str) -> Answer:
        """On to a page of the account, which says once what was done: the text `account.{key}`."""
        told = urlencode({"": key, **values}, quote_via=quote)
        return self.pages.go(where, self._told.holding(told), *cookies)

    def _word(self, call: Call, texts: Texts) -> tuple[Markup | None, tuple[tuple[bytes, bytes], ...]]:
        """What a form before this page did, and the line that forgets it; a text that lacks its values is none."""
        raw = self._told.read(call)
        if raw is None:
            return None, ()
        values = dict(parse_qsl(raw, max_num_fields=5, keep_blank_values=True)) if len(raw) < 1000 else {}
        key = f"account.{values.pop('', '')}"
        known = key in texts and texts.places(key) == values.keys()
        return texts(key, **values) if known else None, (self._told.cleared(),)

    # -- rows --------------------------------------------------------------------------------------------------------

    def page(self, path: str, show: Show, summary: str, **more: Any) -> Operation:
        """The row of a page; `more` is what `Operation` takes."""
        return self._row(self.pages.page(path, self._known(show), summary, guard=Guard.PERSON, **more), path)

    def form(self, path: str, handler: Handler, show: Show, summary: str, *, back: str = "", **more: Any) -> Operation:
        """The row of a form; `back` is the page that it is on, where that is not at the form's own path."""
        row = self.pages.form(path, handler, self._known(show), summary, guard=Guard.PERSON_FORM, **more)
        return self._row(row, back or path, bool(back))

    def _known(self, show: Show) -> Show:
        """A page of somebody's own, which is not theirs before it is known who they are."""

        async def known(call: Call, error: APIError | None = None) -> Answer:
            if error is not None and call.caller is None:
                return self.pages.failed(call, error)
            return await show(call, error)

        known.__module__ = show.__module__
        return known

    def data(self, path: str, handler: Handler, summary: str, **more: Any) -> Operation:
        """The row of what a page's script asks for, with the page's form: JSON, and a refusal is only a status."""

        async def refused(call: Call, error: APIError | None = None) -> Answer:  # noqa: ARG001 - the signature
            status = error.status if error else 400
            return Answer(b"{}", status, {"Cache-Control": "no-store"})

        row = self.pages.form(path, handler, refused, summary, guard=Guard.PERSON_FORM, **more)
        return replace(row, media_type="application/json", refused=refused)

    def _row(self, row: Operation, page: str, elsewhere: bool = False) -> Operation:
        """The row, with a detour over the sign-in where it asks for a more recent one."""
        refused = row.refused
        assert refused is not None

        async def detour(call: Call, error: APIError) -> Any:
            if isinstance(error, SignInAgain | CodeRequired):
                error = SignInFirst(again=True)
            if isinstance(error, SignInFirst) and elsewhere:
                call.scope = {**call.scope, "path": page, "query_string": b""}
            return await refused(call, error)

        return replace(row, refused=detour)


def _faults(error: APIError | None, texts: Texts, at: Mapping[str, str]) -> Faults:
    """The faults of an error, in the account's own words where it has some, at the field that it is about."""
    faults = Faults.of(error, texts)
    key = f"account.refused.{faults.code}"
    if key not in texts:
        return faults
    name = at.get(faults.code)
    if name is None:
        return replace(faults, summary=texts(key))
    return replace(faults, summary=texts("refused.fields"), fields={name: texts(key)})


def _teller(texts: Texts, zone: tzinfo, fine: Literal["moment", "day"]) -> Callable[[datetime], Markup]:
    """Instants in words, in somebody's time zone: to the minute, or to the day."""

    def told(at: datetime) -> Markup:
        there = at.astimezone(zone)
        word = texts.day(there.replace(tzinfo=UTC))
        if fine == "moment":
            key = "account.moment_utc" if zone is UTC else "account.moment"
            word = texts(key, day=word, time=f"{there:%H:%M}")
        return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(timespec="seconds"), word)

    return told
