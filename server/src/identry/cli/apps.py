"""`identry apps …`: applications (OAuth clients) from the command line. A secret is printed once."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from identry.cli.arguments import span_of
from identry.cli.one_off import database_of, kv_of, one_off
from identry.cli.terminal import complain, say
from identry.core.clock import SystemClock
from identry.core.db import Database
from identry.core.kv import MemoryKV, RevocationMarks
from identry.core.limits import Limiter
from identry.core.origin import SYSTEM
from identry.flows.client_admin.queries import Scope
from identry.flows.client_admin.service import OVERLAP, ClientAdmin, Issued
from identry.flows.client_admin.views import AppView, IssuedAppView, columns, issued_view, view
from identry.flows.register_client.service import RegisterClient
from identry.records.audit import Audit
from identry.settings import Settings

Job = Callable[[ClientAdmin], Awaitable[int]]

_ALL = 1_000_000
_OPTIONS = {
    "name": "name",
    "redirect_uris": "--redirect-uri",
    "post_logout_redirect_uris": "--logout-uri",
    "grant_types": "--grant",
    "scopes": "--scope",
    "audiences": "--audience",
    "access_ttl": "--access-ttl",
    "refresh_ttl": "--refresh-ttl",
    "claim_mappings": "--claim",
    "jwks": "--jwks-file",
    "brand_color": "--color",
}
"""Fields that are called otherwise at the terminal."""


def create(client_id: str, asked: dict[str, Any], *, as_json: bool) -> int:
    """Make an application and print its secret."""

    async def job(service: ClientAdmin) -> int:
        fields = _fields(asked)
        made = await service.create(client_id, fields, "system", SYSTEM, owner=None)
        _tell_issued(made, as_json=as_json)
        client = made.client.client
        if "authorization_code" in client.grant_types and not client.redirect_uris:
            complain(
                f"nobody can sign in yet: identry apps update {client.client_id} --redirect-uri https://…/callback"
            )
        return 0

    return _run(job)


def update(app: str, asked: dict[str, Any], *, as_json: bool) -> int:
    """Change fields of an application."""

    async def job(service: ClientAdmin) -> int:
        fields = _fields(asked)
        if not fields:
            raise ValueError("nothing to change: name at least one option")
        found = await service.named(app)
        _tell_issued(await service.change(found.client.id, fields, "system", SYSTEM), as_json=as_json)
        return 0

    return _run(job)


def listing(*, search: str, as_json: bool) -> int:
    """Print every application, one a line."""

    async def job(service: ClientAdmin) -> int:
        found, _ = await service.page(Scope(search=search.strip()), _ALL, 0)
        if as_json:
            _print_json([view(app) for app in found])
            return 0
        for app in found:
            c = app.client
            kind = "public" if c.is_public else "confidential"
            say(f"{c.number:>6}  {c.client_id:<34}  {kind:<12}  {'' if c.is_active else 'disabled':<8}  {c.name}")
        return 0

    return _run(job)


def show(app: str, *, as_json: bool) -> int:
    """Print one application."""

    async def job(service: ClientAdmin) -> int:
        shown = view(await service.named(app))
        _print_json(shown) if as_json else _print_fields(shown)
        return 0

    return _run(job)


def rotate_secret(app: str, *, overlap: str, at_once: bool, as_json: bool) -> int:
    """Print a new secret; the former one goes on for a while."""

    async def job(service: ClientAdmin) -> int:
        span = timedelta() if at_once else span_of("--overlap", overlap, "1m", "720h") if overlap else OVERLAP
        found = await service.named(app)
        _tell_issued(await service.rotate_secret(found.client.id, "system", SYSTEM, overlap=span), as_json=as_json)
        return 0

    return _run(job)


def registration_token(name: str, *, uses: int, ttl: str) -> int:
    """Print a token with which clients register themselves."""

    async def job(db: Database, marks: RevocationMarks) -> int:
        clock = SystemClock()
        service = RegisterClient(db, clock, Audit(clock), Limiter(MemoryKV(clock)), marks)
        say(await service.admit(name.strip() or "unnamed", uses, span_of("--ttl", ttl, "1m", "8760h")))
        return 0

    return _run_with(job)


def delete(app: str, *, sure: bool) -> int:
    """Delete an application, after asking a person at a terminal."""

    async def job(service: ClientAdmin) -> int:
        found = await service.named(app)
        c = found.client
        if not sure and not _agreed(f"Delete {c.client_id} ({c.name}), its members and consents, for good?"):
            complain("nothing was changed (--yes deletes without asking)")
            return 1
        await service.delete(c.id, "system", SYSTEM)
        say(f"{c.client_id} is deleted; its tokens are void")
        return 0

    return _run(job)


def _fields(asked: dict[str, Any]) -> dict[str, Any]:
    """Options that were given, as the service takes them: files are read, durations become seconds."""
    given = {name: value for name, value in asked.items() if value is not None and value != []}
    for name in ("access_token_ttl", "refresh_token_ttl"):
        if name in given:
            text = str(given[name])
            given[name] = (
                0 if text == "0" else int(span_of(f"--{name.replace('_', '-')}", text, "30s", "17520h").total_seconds())
            )
    if (path := given.pop("jwks_file", None)) is not None:
        try:
            given["jwks"] = msgspec.json.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise ValueError(f"--jwks-file: {error}") from error
    if (pairs := given.pop("claims", None)) is not None:
        given["claim_mappings"] = dict(_pair(text) for text in pairs)
    for name in ("redirect_uris", "post_logout_redirect_uris", "audiences", "grant_types", "allowed_scopes"):
        if given.get(name) == [""]:
            given[name] = []  # `--audience ""` takes all away
    return columns(given)


def _in_options(text: str) -> str:
    """What is wrong with a field, under the name that it has at the terminal."""
    name, colon, problem = text.partition(": ")
    if not colon or not name.isidentifier():
        return text
    return f"{_OPTIONS.get(name, '--' + name.replace('_', '-'))}: {problem}"


def _pair(text: str) -> tuple[str, str]:
    claim, equals, attribute = text.partition("=")
    if not equals:
        raise ValueError(f"--claim: {text!r} is not claim=attribute")
    return claim, attribute


def _tell_issued(made: Issued, *, as_json: bool) -> None:
    shown: AppView = issued_view(made) if made.secret else view(made.client)
    if as_json:
        _print_json(shown)
        return
    _print_fields(shown)
    if made.secret:
        say("\nThe secret is shown this once: keep it where the application finds it.")
    if made.client.secret_until is not None and made.secret:
        say(f"The former secret works until {made.client.secret_until:%Y-%m-%d %H:%M} UTC.")


def _print_fields(shown: AppView) -> None:
    names = [*(("client_secret",) if isinstance(shown, IssuedAppView) else ()), *AppView.__struct_fields__]
    for name in ("id", "client_id", *(n for n in names if n not in {"id", "client_id"})):
        value = getattr(shown, name)
        if value is None or value in ([], {}):
            continue
        say(f"{name.replace('_', ' '):<28}{_words(value)}")


def _words(value: Any) -> str:
    """A field as a person reads it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M} UTC"
        case list():
            return ", ".join(value)
        case dict():
            return msgspec.json.encode(value).decode()
    return str(value)


def _print_json(value: Any) -> None:
    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _run(job: Job) -> int:
    """Do it with the service of applications."""

    async def with_service(db: Database, marks: RevocationMarks) -> int:
        clock = SystemClock()
        return await job(ClientAdmin(db, clock, Audit(clock), marks))

    return _run_with(with_service)


def _run_with(job: Callable[[Database, RevocationMarks], Awaitable[int]]) -> int:
    """Do it with a database, and with what running servers hear."""

    async def with_engines(settings: Settings) -> int:
        clock, ttl = SystemClock(), settings.oauth_access_token_ttl.total_seconds()
        async with database_of(settings) as db, kv_of(settings, clock) as kv:
            return await job(db, RevocationMarks(kv, clock, ttl=ttl))

    return one_off(with_engines, words=_in_options)
