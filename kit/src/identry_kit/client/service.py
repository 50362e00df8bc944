"""Calls in the application's own name, with its service token. Each needs `app_id` and `client_secret`.

Routes: contracts/provider-api.md §2, §10 and §11, on the admin address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from identry_kit.client.call import APP, Answer, As, Call, by_status, found, result
from identry_kit.client.config import Config, segment
from identry_kit.client.errors import (
    ClientError,
    InvalidProfileUpdate,
    MagicLinkRateLimited,
    PolicyRequestRejected,
    PolicyUnavailable,
    UserNotInApp,
)
from identry_kit.client.fields import Fields
from identry_kit.client.members import already_exists, person
from identry_kit.client.shapes import AppUser, CreateResult, Decision, MagicLink

_SERVICE = f"/api/apps/{APP}/service"


@dataclass(frozen=True, slots=True)
class ProfileUpdate:
    """Fields of a profile to change; None leaves one as it is, `""` clears it where the server allows that."""

    name: str | None = None
    title: str | None = None
    division: str | None = None
    company: str | None = None
    country: str | None = None
    phone: str | None = None
    job_title: str | None = None
    department: str | None = None
    language: str | None = None
    timezone: str | None = None
    avatar_url: str | None = None

    def body(self) -> dict[str, str]:
        """What is sent: the fields that are not None."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a decision is about: their access token (preferred: it tells how they logged in), or their number."""

    token: str = field(default="", repr=False)
    user_id: int | None = None

    def body(self) -> dict[str, Any]:
        """What is sent."""
        values = {"token": self.token, "user_id": self.user_id}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Resource:
    """What a decision is about."""

    type: str = ""
    id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """What is sent."""
        values = {"type": self.type, "id": self.id, "attributes": dict(self.attributes)}
        return {name: value for name, value in values.items() if value}


def register_user(config: Config, email: str, role: str, *, name: str = "") -> Call[CreateResult]:
    """Add somebody to the application and invite them by mail. Raises UserAlreadyExists."""
    return _add("register user", config, person(email, role, name))


def invite_user_as_service(config: Config, email: str, role: str, *, name: str = "") -> Call[CreateResult]:
    """Add somebody to the application and invite them by mail. Raises UserAlreadyExists."""
    return _add("invite user as service", config, person(email, role, name))


def _add(op: str, config: Config, body: dict[str, str]) -> Call[CreateResult]:
    config.app()
    read = result(CreateResult.read, (201, 200), already_exists)
    return Call(op, "POST", f"{_SERVICE}/users", read, As.SERVICE, admin=True, json=body)


def get_user_as_service(config: Config, user_id: int | str) -> Call[AppUser | None]:
    """A member of the application; None when there is no such member.

    A 404 without the server's JSON error is not "no such member" but a server without this route: UnexpectedStatus.
    """
    config.app()
    read = found(AppUser.read, lambda answer: answer.status == 404 and answer.error() is not None)
    return Call("get user as service", "GET", f"{_SERVICE}/users/{segment(user_id)}", read, As.SERVICE, admin=True)


def update_user_as_service(config: Config, user_id: int | str, update: ProfileUpdate) -> Call[AppUser]:
    """Change profile fields of a member. Raises UserNotInApp and InvalidProfileUpdate."""
    config.app()
    refuse = by_status({404: _not_in_app, 400: invalid_update})
    read = result(AppUser.read, refuse=refuse)
    path = f"{_SERVICE}/users/{segment(user_id)}"
    return Call("update user as service", "PATCH", path, read, As.SERVICE, admin=True, json=update.body())


def send_magic_link(config: Config, email: str) -> Call[MagicLink]:
    """Mail a link that logs in, once. The answer is the same for unknown addresses. Raises MagicLinkRateLimited."""
    config.app()
    refuse = by_status({429: lambda answer: MagicLinkRateLimited(answer.retry_after)})
    read = result(MagicLink.read, (202, 200), refuse)
    path = f"{_SERVICE}/magic-link"
    return Call("send magic link", "POST", path, read, As.SERVICE, admin=True, json={"email": email})


def decide(
    config: Config,
    action: str,
    *,
    subject: Subject | None = None,
    resource: Resource | None = None,
    ip: str = "",
    attributes: Mapping[str, Any] | None = None,
    pep_mode: str = "",
) -> Call[Decision]:
    """Ask the policy whether `action` (`a.b.c`) may be done; without a subject, by the application itself.

    `ip` and `attributes` are the request as you saw it. Raises PolicyUnavailable (with the mode, as far as told) and
    PolicyRequestRejected.
    """
    config.app()
    context = {"ip": ip, "attributes": dict(attributes or {})}
    body: dict[str, Any] = {
        "action": action,
        "resource": (resource or Resource()).body(),
        "context": {name: value for name, value in context.items() if value},
    }
    if subject is not None:
        body["subject"] = subject.body()
    if pep_mode:
        body["pep_mode"] = pep_mode
    refuse = by_status({503: _no_policy, 400: lambda answer: PolicyRequestRejected(answer.error() or "")})
    read = result(Decision.read, refuse=refuse)
    secrets = (subject.token,) if subject is not None and subject.token else ()
    path = f"{_SERVICE}/policy/decide"
    return Call("decide", "POST", path, read, As.SERVICE, admin=True, json=body, secrets=secrets)


def invalid_update(answer: Answer) -> ClientError | None:
    """The named error of a 400 with the server's text; None for any other 400."""
    text = answer.error()
    return InvalidProfileUpdate(text) if text else None


def _not_in_app(answer: Answer) -> ClientError | None:
    return UserNotInApp() if answer.error() is not None else None


def _no_policy(answer: Answer) -> ClientError:
    mode = ""
    try:
        mode = Fields.of(answer.op, answer.body).text("mode", "")
    except ClientError:
        mode = ""
    return PolicyUnavailable(mode)
