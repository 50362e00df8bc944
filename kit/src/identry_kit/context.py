"""Who is calling, and which request this is: one record per request, found through one context variable.

A middleware makes the record (`Request`), `jwtauth` puts the verified `Caller` into it, handlers read it with the
functions below. Each of them is safe without a request: it answers what an anonymous caller would get. Tasks started
by a handler see its record; two requests never see each other's. Jobs and tests set one with `use`.

Source: third seed, package `ctxutil`; contracts/kit.md §2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

__all__ = [
    "ANONYMOUS",
    "DEFAULT_PLAN",
    "Caller",
    "Request",
    "amr",
    "annotate",
    "app_role",
    "app_roles",
    "audiences",
    "auth_time",
    "begin",
    "caller",
    "current",
    "end",
    "is_service",
    "logger",
    "raw_jwt",
    "request_id",
    "scopes",
    "service_app",
    "tenant_id",
    "tenant_id_str",
    "token_version",
    "use",
    "user_email",
    "user_id",
    "user_name",
    "user_plan",
    "user_role",
    "user_sub",
]

DEFAULT_PLAN = "freemium"
_NO_ROLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Caller:
    """What a verified token says about the caller. Absent claims have the value an anonymous caller has."""

    tenant_id: UUID | None = None
    user_id: UUID | None = None
    sub: str = ""
    role: str = ""
    email: str = ""
    name: str = ""
    plan: str = DEFAULT_PLAN
    app_roles: Mapping[str, str] = field(default_factory=lambda: _NO_ROLES)
    token_version: int = 0
    auth_time: int = 0
    amr: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    raw_token: str = field(default="", repr=False)


ANONYMOUS = Caller()
SCOPE = "identry_kit.request"
"""The key in an ASGI scope under which the layer that makes a request's record keeps it. Copies of the scope share it,
also when they have another token; a request that a handler makes in the same task has a scope, and a record, of its
own.
"""


class Request:
    """The record of one request. Mutable on purpose: inner layers fill in what outer ones write to the log.

    `route` is the path template (`/users/{id}`), set by whoever routes. `fields` are extra fields of the log line,
    `kept` is what inner layers keep for the length of the request; each key is a name of the layer's module. `proof` is
    by what `jwtauth` knows the caller. `in_scope`: whether the scope has it as well, so that it is known whose it is.
    """

    __slots__ = ("_fields", "_kept", "_logger", "caller", "method", "path", "proof", "request_id", "route")

    in_scope = False

    def __init__(
        self,
        request_id: str = "",
        caller: Caller = ANONYMOUS,
        *,
        method: str = "",
        path: str = "",
        logger: logging.Logger | None = None,
    ) -> None:
        self.request_id = request_id
        self.caller = caller
        self.method = method
        self.path = path
        self.route = ""
        self.proof: Any = None
        self._fields: dict[str, Any] | None = None
        self._kept: dict[str, Any] | None = None
        self._logger: logging.Logger | logging.LoggerAdapter[Any] | None = logger

    @property
    def fields(self) -> dict[str, Any]:
        """Extra fields of the log line, made when first asked for."""
        if self._fields is None:
            self._fields = {}
        return self._fields

    @property
    def kept(self) -> dict[str, Any]:
        """What inner layers keep, made when first asked for."""
        if self._kept is None:
            self._kept = {}
        return self._kept

    @property
    def has_fields(self) -> bool:
        """Whether anybody added a field (asking `fields` would make the dictionary)."""
        return bool(self._fields)

    @property
    def logger(self) -> logging.Logger | logging.LoggerAdapter[Any]:
        """The request's logger: it carries `request_id`, `method` and `path`. Made when first asked for."""
        base = self._logger
        if base is None:
            return logging.getLogger()
        if isinstance(base, logging.Logger):
            extra = {"request_id": self.request_id, "method": self.method, "path": self.path}
            base = self._logger = logging.LoggerAdapter(base, extra)
        return base

    @logger.setter
    def logger(self, base: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._logger = base


class RequestInScope(Request):
    """A record that its layer keeps in the request's scope, too (`SCOPE`)."""

    __slots__ = ()

    in_scope = True


_current: ContextVar[Request | None] = ContextVar("identry_kit.request", default=None)

current = _current.get
"""The record of this request, or None outside of one. The cheapest access there is; typed `Request | None`."""


def of(scope: Mapping[str, Any]) -> Request | None:
    """The record of the request `scope`: the current one, unless that was made for another request, whose handler made
    this one.
    """
    record = _current.get()
    return record if record is None or not record.in_scope or scope.get(SCOPE) is record else None


begin: Callable[[Request], Token[Request | None]] = _current.set
"""Make a record the current one; hand the token to `end` in the same task. For middleware; elsewhere take `use`."""

end: Callable[[Token[Request | None]], None] = _current.reset
"""Bring back what was current before `begin`."""


@contextmanager
def use(caller: Caller | None = None, *, request_id: str | None = None) -> Iterator[Request]:
    """A record for the length of a `with` block: for jobs, commands and tests.

    What is not given is taken over from the surrounding record, if any. Leaving the block brings the old record back.
    """
    outer = _current.get()
    record = Request(
        (outer.request_id if outer else "") if request_id is None else request_id,
        (outer.caller if outer else ANONYMOUS) if caller is None else caller,
    )
    token = _current.set(record)
    try:
        yield record
    finally:
        _current.reset(token)


def caller() -> Caller:
    """The verified caller, `ANONYMOUS` when there is none."""
    record = _current.get()
    return ANONYMOUS if record is None else record.caller


def annotate(**fields: Any) -> None:
    """Add fields to this request's log line; without a request nothing happens."""
    record = _current.get()
    if record is not None:
        record.fields.update(fields)


def request_id() -> str:
    """The id of this request, `""` outside of one."""
    record = _current.get()
    return "" if record is None else record.request_id


def logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The request's logger, the root logger outside of one."""
    record = _current.get()
    return logging.getLogger() if record is None else record.logger


def tenant_id() -> UUID | None:
    """The tenant of the caller."""
    return caller().tenant_id


def tenant_id_str() -> str:
    """The tenant of the caller as text, `""` when there is none."""
    tenant = caller().tenant_id
    return "" if tenant is None else str(tenant)


def user_id() -> UUID | None:
    """The caller's id: a UUID claim as it is, any other value as a UUIDv5 of it."""
    return caller().user_id


def user_sub() -> str:
    """The token's `sub`, `""` when there is none."""
    return caller().sub


def user_role() -> str:
    """The caller's role, `""` when there is none."""
    return caller().role


def user_email() -> str:
    """The caller's e-mail address, `""` when the token has none."""
    return caller().email


def user_name() -> str:
    """The caller's name, `""` when the token has none."""
    return caller().name


def user_plan() -> str:
    """The caller's plan; `freemium` when absent or empty."""
    return caller().plan or DEFAULT_PLAN


def app_roles() -> Mapping[str, str]:
    """Role per client id; read-only, empty when the token has none."""
    return caller().app_roles


def app_role(client_id: str) -> str:
    """The caller's role in one client, `""` when there is none."""
    return caller().app_roles.get(client_id, "")


def token_version() -> int:
    """The token version of the user when the token was made, 0 when the token has none."""
    return caller().token_version


def raw_jwt() -> str:
    """The verified token itself, for forwarding; `""` when there is none. Never log it."""
    return caller().raw_token


def auth_time() -> int:
    """When the user proved who they are, seconds since the epoch; 0 when unknown."""
    return caller().auth_time


def amr() -> tuple[str, ...]:
    """By which means the user proved it (RFC 8176)."""
    return caller().amr


def audiences() -> tuple[str, ...]:
    """For whom the token was made."""
    return caller().audiences


def scopes() -> frozenset[str]:
    """What the token was made for (OAuth 2.0 scopes, RFC 6749 §3.3)."""
    return caller().scopes


def is_service() -> bool:
    """Whether the caller is a service (its `sub` is `app:<number>`), not a person."""
    return caller().sub.startswith("app:")


def service_app() -> str:
    """The app behind a service token: `"7"` of `app:7`; `""` when the caller is not a service."""
    sub = caller().sub
    return sub[4:] if sub.startswith("app:") else ""
