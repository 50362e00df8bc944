"""A route that asks who is calling also says who of them may: by a row of the matrix, or by a reason written here.

A new route without one fails this test (SECURITY F23).
"""

from __future__ import annotations

from harness import Harness

from identry.authority import FIELD_ROWS, MATRIX
from identry.permissions import CATALOGUE
from identry.web.app_reach import REACHES
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
    ("POST", "/api/auth/logout"): "ends the caller's own sessions",
    ("GET", "/oauth/userinfo"): "shows the caller to the application that holds the caller's token",
    ("GET", "/api/userinfo"): "shows the caller's own profile, to an application that was granted it",
    ("GET", "/api/profile"): "shows the caller's own profile, to an application that was granted it",
    ("PUT", "/api/profile"): "changes the caller's own profile, through an application that was granted it",
    ("PATCH", "/api/profile"): "changes the caller's own profile, through an application that was granted it",
    ("GET", "/api/profile/mfa"): "shows the caller's own second factor",
    ("POST", "/api/profile/mfa/enroll"): "the caller's own, on a recent sign-in",
    ("POST", "/api/profile/mfa/confirm"): "the caller's own, on a recent sign-in and its first code",
    ("POST", "/api/profile/mfa/disable"): "removes the caller's own, on a recent sign-in and a code",
    ("POST", "/api/profile/mfa/recovery-codes"): "renews the caller's own, on a recent sign-in and the factor",
    ("POST", "/api/v1/auth/logout"): "ends the session of the caller's own cookie or token",
    ("GET", "/device"): "asks whoever is signed in for the code of a device",
    ("POST", "/device"): "shows what waits under the code that the device shows",
    ("POST", "/device/decision"): "gives a device access to the caller's own account, or does not",
    ("GET", "/account"): "shows the caller's own account",
    ("GET", "/account/security"): "shows how the caller signs in",
    ("GET", "/account/profile"): "shows the caller's own profile",
    ("POST", "/account/profile"): "changes the caller's own profile",
    ("GET", "/account/email"): "the caller's own, on a recent sign-in",
    ("POST", "/account/email"): "mails a link to whom the caller says, on a recent sign-in",
    ("GET", "/account/email/confirm"): "shows what a link would do to the caller's own account",
    ("POST", "/account/email/confirm"): "changes the caller's own address, by the link that was mailed to the new one",
    ("GET", "/account/password"): "the caller's own",
    ("POST", "/account/password"): "changes the caller's own password, on proof of the current one",
    ("GET", "/account/password/first"): "the caller's own, on a recent sign-in",
    ("POST", "/account/password/first"): "sets the caller's first password, on a recent sign-in",
    ("GET", "/account/mfa/set-up"): "the caller's own, on a recent sign-in",
    ("POST", "/account/mfa/set-up"): "the caller's own, on a recent sign-in",
    ("GET", "/account/mfa/set-up/code"): "the caller's own, on a recent sign-in",
    ("POST", "/account/mfa/set-up/code"): "the caller's own, on a recent sign-in and its first code",
    ("GET", "/account/mfa/codes"): "the caller's own, on a recent sign-in",
    ("POST", "/account/mfa/codes"): "renews the caller's own, on a recent sign-in and a code",
    ("GET", "/account/mfa/off"): "the caller's own, on a recent sign-in",
    ("POST", "/account/mfa/off"): "removes the caller's own, on a recent sign-in, a code and the password",
    ("GET", "/account/passkeys"): "shows the caller's own passkeys",
    ("GET", "/account/passkeys/add"): "the caller's own, on a recent sign-in",
    ("POST", "/account/passkeys/add"): "the caller's own, on a recent sign-in",
    ("POST", "/account/passkeys/add/options"): "the caller's own, on a recent sign-in",
    ("GET", "/account/passkeys/{id:uuid}/rename"): "shows a passkey of the caller's own",
    ("POST", "/account/passkeys/{id:uuid}/rename"): "renames a passkey of the caller's own",
    ("GET", "/account/passkeys/{id:uuid}/remove"): "shows a passkey of the caller's own",
    ("POST", "/account/passkeys/{id:uuid}/remove"): "removes a passkey of the caller's own, on a recent sign-in",
    ("GET", "/account/sessions"): "shows the caller's own sessions",
    ("POST", "/account/sessions/{id:uuid}/end"): "ends a session of the caller's own",
    ("POST", "/account/sessions/end-others"): "ends the caller's own other sessions",
    ("GET", "/account/apps"): "shows what the caller let applications do",
    ("GET", "/account/apps/{id:uuid}/revoke"): "shows an application that the caller let in",
    ("POST", "/account/apps/{id:uuid}/revoke"): "takes back what the caller gave",
    ("GET", "/account/identities"): "shows the caller's own identities",
    ("GET", "/account/identities/{id:uuid}/remove"): "shows an identity of the caller's own",
    ("POST", "/account/identities/{id:uuid}/remove"): "removes an identity of the caller's own",
    ("POST", "/account/identities/microsoft/link"): "links to the caller's own account, on proof of both",
    ("POST", "/account/identities/sso/{id:uuid}/link"): "links to the caller's own account, on proof of both",
    ("GET", "/account/history"): "shows sign-ins to the caller's own account",
    ("POST", "/account/logout"): "ends the caller's own session",
}
"""Routes for whoever is signed in: they reach nothing but the caller's own."""


NOBODY = {Guard.PUBLIC, Guard.MACHINE, Guard.FORM}
"""Guards that name no person: a form of our own pages says where it comes from, not who sends it."""


async def test_every_guarded_route_names_a_row_or_a_reason(app: Harness) -> None:
    silent = [
        (operation.method, operation.path)
        for operation in app.app.operations
        if operation.guard not in NOBODY
        and not operation.rule
        and not operation.permission
        and not operation.reach
        and (operation.method, operation.path) not in GUARD_ALONE
    ]
    assert silent == [], "give each a `rule`, a `permission`, a `reach`, or a reason in GUARD_ALONE"


async def test_every_reach_is_used_and_its_guard_lets_in_whom_it_means(app: Harness) -> None:
    rows = [operation for operation in app.app.operations if operation.reach]
    for operation in rows:
        reach = REACHES[operation.reach]
        kinds = {Guard.APP_ANY if reach.platform else Guard.SERVICE} if reach.service else {Guard.APP_USER}
        assert operation.guard in kinds, f"{operation.path}: {operation.reach}"
        assert not (reach.roles or reach.service) or "{app_id:number}" in operation.path, operation.path
    assert {operation.reach for operation in rows} == REACHES.keys()
    unguarded = [row.path for row in app.app.operations if row.path.startswith("/manage") and not row.reach]
    assert [path for path in unguarded if path != "/manage/api/admin/login"] == []


async def test_every_permission_is_one_of_the_catalogue_and_needs_a_tenant(app: Harness) -> None:
    asking = [operation for operation in app.app.operations if operation.permission]
    assert len(asking) > 10
    for operation in asking:
        assert operation.permission in CATALOGUE, operation.path
        assert operation.guard is Guard.BROWSER, f"{operation.path}: a permission needs the tenant of a session"


async def test_every_rule_is_a_row_and_proves_who_is_calling(app: Harness) -> None:
    asking = [operation for operation in app.app.operations if operation.rule]
    assert len(asking) > 10
    for operation in asking:
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
