"""The API as data: an operation is a row (method, path, guard, types, errors); routes and OpenAPI both come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Literal

from identry.core.limits import Limit
from identry.web.call import Call
from identry_kit.apierror import APIError

Handler = Callable[[Call], Awaitable[Any]]
Refused = Callable[[Call, APIError], Awaitable[Any]]


class Guard(Enum):
    """What a caller must prove before the handler runs."""

    PUBLIC = "none"
    TOKEN = "token"  # noqa: S105 - signature and claims; the handler's own statement checks the session
    BEARER = "bearer"  # signature, claims, live session, user: `call.actor`
    MACHINE = "machine"  # X-Internal-API-Key
    BROWSER = "browser"  # as BEARER for tokens of the browser surface: `call.actor`, `call.tenant_id`
    BROWSER_TOKEN = "browser_token"  # noqa: S105 - as TOKEN for tokens of the browser surface
    TICKET = "ticket"  # as BROWSER, or without a token: the body's `session_token` tells, asked by the handler
    APP_USER = "app_user"  # a user's access token of the provider: `call.actor`, `call.client`
    SERVICE = "service"  # a service account's access token: `call.client`
    APP_ANY = "app_any"  # either of the two; `call.caller` is None for a service account
    COOKIE = "cookie"  # a known origin; the handler reads the refresh cookie
    FORM = "form"  # a form of one of our own pages
    PERSON = "person"  # on a page: whoever is signed in in this browser: `call.actor`
    PERSON_FORM = "person_form"  # both


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """A request header that the handler reads itself.

    Attributes:
        name: as documented, for example `x-org`.
        type: what its text must convert to, for example `UUID`.
        description: what it selects.
        required: whether a request without it is refused.
    """

    name: str
    type: Any
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the API.

    Attributes:
        method, path: `POST`, `/auth/login`; path parameters as in `/internal/users/{id:uuid}` or `{id:number}`.
        handler: takes the `Call`, returns the reply (or an `Answer`).
        summary: one line for the reference.
        guard: what the caller must prove.
        rule: the row of the authorization matrix that decides who may (empty: the guard alone decides).
        reach: on the admin port, the word of `web.app_reach` that says who may, in which application.
        permission: what the caller's groups must allow in the tenant of the session, for example `users:read`; checked
            after the guard and before anything of the request is decoded.
        fresh: how long ago the caller may have signed in; who did so earlier signs in again first. A refresh is no
            sign-in.
        sensitive: whether a tenant may want a second factor for it that is as recent as `web.step_up.RECENT`.
        bare: whether the body may be left out altogether; its fields have defaults then.
        body, query, reply: msgspec structs; `reply` None means raw bytes.
        or_replies: further shapes that a success may have.
        status: of success.
        also: further success statuses with the same reply, and what each one tells.
        headers: request headers that the handler reads.
        limits: what the operation spends; each may answer 429.
        errors: kinds that this operation adds to those that its guard, types and limits imply.
        description: more than one line, Markdown.
        example: a request body that works.
        enveloped: False for documents that are not wrapped (JWKS, pages).
        media_type: of the reply when it is not JSON; of a `Stream` all that it may have, separated by `, `.
        tag: the section of the reference.
        hidden: left out of the reference (development pages).
        surface: `browser` for rows under `/api/v1`: snake_case, no success envelope, errors in that surface's words;
            `oauth` and `api` for those of the provider (contracts/provider-api.md §4); `page` for people: HTML.
        refused: shows whatever was refused, guards and decoding included, instead of the error edge: a page does, which
            is shown again with what is wrong.
        form: how the body may come besides JSON: `only` as a form (RFC 6749 appendix B) and not as JSON, `also` as
            either.
        door: the port that serves it: `admin` rows are under `/manage` of the public one where there is no admin port.
        for_all: whether addresses that are blocked are served too: what signs nobody in and is the same for everybody.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    guard: Guard = Guard.PUBLIC
    rule: str = ""
    reach: str = ""
    permission: str = ""
    fresh: timedelta | None = None
    sensitive: bool = False
    bare: bool = False
    body: type[Any] | None = None
    query: type[Any] | None = None
    reply: Any = None
    status: int = 200
    or_replies: tuple[type[Any], ...] = ()
    also: Mapping[int, str] = field(default_factory=dict)
    headers: tuple[RequestHeader, ...] = ()
    limits: tuple[Limit, ...] = ()
    errors: tuple[type[APIError], ...] = ()
    description: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    enveloped: bool = True
    media_type: str = "application/json"
    hidden: bool = False
    surface: Literal["platform", "browser", "oauth", "api", "page"] = "platform"
    form: Literal["", "only", "also"] = ""
    refused: Refused | None = None
    door: Literal["public", "admin", "both"] = "public"
    for_all: bool = False

    def __post_init__(self) -> None:
        if self.surface != "platform":
            object.__setattr__(self, "enveloped", False)
