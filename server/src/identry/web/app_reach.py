"""Who may use the routes of the admin port: a word in the row of an operation, checked after its guard.

The words and what they ask for are contracts/provider-api.md §10 and §12 as data. Identity comes from the token and the
database; the number of an application in the path is a target (SECURITY §1.4). An application that is not the
operator's own acts for its user only where the user agreed to the scope `api`, and on no other application.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.records import clients
from identry.records.clients import Client
from identry.records.users import ADMINISTRATORS, GlobalRole
from identry.web.call import Call
from identry.web.endpoint import GuardCheck
from identry.web.operations import Operation
from identry_kit.apierror import APIError, BadRequest, Forbidden, NotFound

FRESH = timedelta(seconds=300)
"""How old a sign-in may be for what cannot be undone (`POST /api/admin/elevate` renews it)."""

_API = "api"


@dataclass(frozen=True, slots=True)
class Reach:
    """Who may.

    Attributes:
        platform: the platform roles that may, whatever the application.
        roles: the roles in the addressed application that may too.
        service: whether the addressed application itself may, with a token of its own.
        anybody: whether every signed-in user may (the handler shows each what is theirs).
        unchanged: whether somebody who has to change the password may, to change it.
    """

    platform: frozenset[GlobalRole] = ADMINISTRATORS
    roles: frozenset[str] = frozenset()
    service: bool = False
    anybody: bool = False
    unchanged: bool = False


REACHES: Mapping[str, Reach] = {
    "platform.admin": Reach(),
    "platform.password": Reach(unchanged=True),
    "platform.superadmin": Reach(platform=frozenset({GlobalRole.PLATFORM_SUPERADMIN})),
    "apps.list": Reach(anybody=True),
    "app.read": Reach(roles=frozenset({"admin", "manager"})),
    "app.read.service": Reach(roles=frozenset({"admin", "manager"}), service=True),
    "app.manage": Reach(roles=frozenset({"admin"})),
    "app.manage.service": Reach(roles=frozenset({"admin"}), service=True),
    "app.service": Reach(platform=frozenset(), service=True),
}


class NotAnAdministrator(Forbidden):
    """403: the caller is no administrator here."""

    message = "you may not administer this"


class AnotherApplication(Forbidden):
    """403: the token is of another application."""

    message = "the token belongs to another application"


class ApplicationUnknown(NotFound):
    """404: there is no such application."""

    message = "application not found"


class BadNumber(BadRequest):
    """400: an id in the path is not a number."""

    message = "the id is not a number"


class PasswordChangeRequired(Forbidden):
    """403: the caller has to choose a new password first, with `POST /api/admin/change-password`."""

    api_error = "password_change_required"
    message = "change your password first"


class ElevationRequired(Forbidden):
    """403: the sign-in is too old for this; renew it with `POST /api/admin/elevate`."""

    api_error = "elevation_required"
    message = "confirm your password to do this"


_ASKED = f"""
    SELECT (SELECT m.role FROM app_members m JOIN clients c ON c.id = m.client_id
            WHERE c.number = $2 AND m.user_id = $1),
           COALESCE((SELECT p.must_change_password FROM user_profiles p WHERE p.user_id = $1), false),
           {", ".join(f"a.{name}" for name in clients.COLUMNS.split(", "))}
    FROM (SELECT 1) AS one LEFT JOIN clients a ON a.number = $2
"""  # noqa: S608 - constant column names


def reaching(operation: Operation, guard: GuardCheck, clock: Clock, db: Executor) -> GuardCheck:
    """The guard of an operation, then its `reach`, then its `fresh`; sets `call.app` where the path names one.

    Raises:
        ValueError: the row names a word that there is not.
    """
    reach = REACHES.get(operation.reach)
    if reach is None or operation.surface != "api":
        raise ValueError(f"{operation.method} {operation.path}: {operation.reach!r} cannot be checked")
    addressed = "{app_id:number}" in operation.path

    async def check(call: Call) -> None:
        await guard(call)
        number = path_number(call, "app_id") if addressed else 0
        if call.caller is None:
            _require_service(call, reach, number)
        else:
            await _require_user(call, reach, number, db, addressed=addressed)
            if operation.fresh is not None and clock.now() - call.actor.auth_time > operation.fresh:
                raise ElevationRequired

    return check


def path_number(call: Call, name: str) -> int:
    """A number in the path; at most what fits the column, so that no other is looked for.

    Raises:
        BadNumber: it is none.
    """
    text: Any = call.path[name]
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadNumber
    return int(text)


def _require_service(call: Call, reach: Reach, number: int) -> None:
    """An application's own token: only where the row says so, and only for itself."""
    if not reach.service:
        raise NotAnAdministrator
    if call.client.number != number:
        raise AnotherApplication
    call.app = call.client


async def _require_user(call: Call, reach: Reach, number: int, db: Executor, *, addressed: bool) -> None:
    user = call.actor.user
    row = await db.fetchrow(_ASKED, user.id, number if addressed else None)
    if row is None:
        raise NotAnAdministrator
    role, must_change, *columns = row
    app = Client(*columns) if addressed and columns[0] is not None else None
    platform = GlobalRole(user.global_role) in reach.platform
    if not platform and not reach.anybody and not (role in reach.roles and app is not None and app.is_active):
        raise NotAnAdministrator
    if not call.client.first_party:
        _require_agreed(call, app)
    if must_change and not reach.unchanged:
        raise PasswordChangeRequired
    if addressed and app is None:
        raise ApplicationUnknown
    if app is not None:
        call.app = app


def _require_agreed(call: Call, app: Client | None) -> None:
    """What an application of somebody else may do for its user: what the user agreed to, at that application."""
    if _API not in str(call.claims.get("scope", "")).split():
        raise NotAnAdministrator("the application was not granted the scope api")
    if app is not None and app.id != call.client.id:
        raise AnotherApplication


def implied(operation: Operation) -> list[type[APIError]]:
    """The errors that the row adds."""
    reach = REACHES[operation.reach]
    kinds: list[type[APIError]] = [] if reach.anybody else [NotAnAdministrator]
    if reach.platform and not reach.unchanged:
        kinds.append(PasswordChangeRequired)
    if "{app_id:number}" in operation.path:
        kinds += [AnotherApplication]
        if reach.platform:
            kinds.append(ApplicationUnknown)
    if ":number}" in operation.path:
        kinds.append(BadNumber)
    return [*kinds, ElevationRequired] if operation.fresh is not None else kinds
