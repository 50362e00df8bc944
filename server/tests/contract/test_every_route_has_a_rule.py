"""A route that asks who is calling also says who of them may: by a row of the matrix, or by a reason written here.

A new route without one fails this test (SECURITY F23).
"""

from __future__ import annotations

from harness import Harness

from identry.authority import FIELD_ROWS, MATRIX
from identry.permissions import CATALOGUE
from identry.web.operations import Guard

GUARD_ALONE = {
    ("GET", "/auth/me"): "shows the caller to the caller",
    ("GET", "/auth/me/access"): "shows the caller's own access to the caller",
    ("POST", "/auth/logout-all"): "ends the caller's own sessions",
    ("GET", "/api/v1/auth/me"): "shows the caller to the caller",
    ("GET", "/api/v1/auth/sessions"): "shows the caller's own sessions",
    ("DELETE", "/api/v1/auth/sessions/{id:uuid}"): "ends a session of the caller's own",
    ("POST", "/api/v1/auth/password/change"): "changes the caller's own password, on proof of the current one",
    ("GET", "/api/v1/auth/identities"): "shows the caller's own identities",
    ("POST", "/api/v1/auth/identities/microsoft/link"): "links to the caller's own account, on proof of both",
    ("POST", "/api/v1/auth/identities/sso/link"): "links to the caller's own account, on proof of both",
    ("DELETE", "/api/v1/auth/identities/{id:uuid}"): "removes an identity of the caller's own",
    ("POST", "/api/v1/auth/exchange"): "the code and the cookie are the caller's sign-in",
    ("POST", "/api/v1/auth/mfa/setup"): "the caller's own, on a recent sign-in or the ticket of one that demands it",
    ("POST", "/api/v1/auth/mfa/enable"): "the caller's own, as the set-up, on its first code",
    ("POST", "/api/v1/auth/mfa/disable"): "removes the caller's own, on proof of a code and the password",
    ("POST", "/api/v1/auth/mfa/recovery-codes"): "renews the caller's own, on a recent sign-in and a code",
    ("POST", "/api/v1/auth/mfa/step-up"): "marks the caller's own session, on proof of a code",
    ("GET", "/api/v1/auth/mfa"): "shows the caller's own second factor",
    ("POST", "/api/v1/auth/refresh"): "the cookie is the caller's session",
    ("POST", "/api/v1/auth/passkeys/register/options"): "the caller's own, on a recent sign-in or a ticket's",
    ("POST", "/api/v1/auth/passkeys/register"): "the caller's own, as its options",
    ("GET", "/api/v1/auth/passkeys"): "shows the caller's own passkeys",
    ("PATCH", "/api/v1/auth/passkeys/{id:uuid}"): "renames a passkey of the caller's own",
    ("DELETE", "/api/v1/auth/passkeys/{id:uuid}"): "removes a passkey of the caller's own, after a recent sign-in",
    ("POST", "/api/v1/auth/passkeys/login/options"): "a challenge for whoever can answer it, bound to the browser",
    ("POST", "/api/v1/auth/passkeys/login"): "the signature proves whose session it becomes",
    ("POST", "/api/v1/auth/logout"): "ends the session of the caller's own cookie or token",
}
"""Routes for whoever is signed in: they reach nothing but the caller's own."""


async def test_every_guarded_route_names_a_row_or_a_reason(app: Harness) -> None:
    silent = [
        (operation.method, operation.path)
        for operation in app.app.operations
        if operation.guard not in {Guard.PUBLIC, Guard.MACHINE}
        and not operation.rule
        and not operation.permission
        and (operation.method, operation.path) not in GUARD_ALONE
    ]
    assert silent == [], "give each a `rule`, a `permission`, or a reason in GUARD_ALONE"


async def test_every_permission_is_one_of_the_catalogue_and_needs_a_tenant(app: Harness) -> None:
    for operation in app.app.operations:
        if operation.permission:
            assert operation.permission in CATALOGUE, operation.path
            assert operation.guard is Guard.BROWSER, f"{operation.path}: a permission needs the tenant of a session"


async def test_every_rule_is_a_row_and_proves_who_is_calling(app: Harness) -> None:
    for operation in app.app.operations:
        if operation.rule:
            assert operation.rule in MATRIX, operation.path
            assert operation.guard is Guard.BEARER, f"{operation.path}: a row needs a caller read from the database"


async def test_every_row_is_used(app: Harness) -> None:
    used = {operation.rule for operation in app.app.operations} | set(FIELD_ROWS.values())
    assert MATRIX.keys() - used == set()


async def test_nothing_under_internal_is_public(app: Harness) -> None:
    open_doors = [
        operation.path
        for operation in app.app.operations
        if operation.path.startswith("/internal") and operation.guard is Guard.PUBLIC
    ]
    assert open_doors == []
