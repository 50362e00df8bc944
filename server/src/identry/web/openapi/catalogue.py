"""`docs/errors.md`: every error code, when it comes, from where, and what a client does about it."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from identry.web.openapi.answers import Kind, envelope, refusals
from identry.web.openapi.document import template
from identry.web.operations import Guard, Operation
from identry.web.router import UnknownRoute
from identry_kit.apierror import MethodNotAllowed, TooManyRequests

# What a client does about a code: one answer for each, wherever it comes from.
ADVICE = {
    "access_denied": "Show that the person, or at 403 the server, said no; a new request asks again.",
    "authorization_pending": "Ask again after `interval` seconds.",
    "elevation_required": "Ask for the password and send it to `POST /api/admin/elevate`, then re"
    "peat the request with its token.",
    "email already exists": "Offer sign-in and password reset instead.",
    "expired_token": "Begin again: the code's time is over.",
    "insufficient_scope": "Ask for a token with the scope that the challenge names.",
    "interaction_required": "Send the person to `/oauth/authorize` without `prompt=none`.",
    "invalid_client": "Check `client_id`, secret and how the client proves itself. Do not retry unchanged.",
    "invalid_client_metadata": "Correct the field that the description names.",
    "invalid_dpop_proof": "Make a new proof: for this method, this address, now; and for this token.",
    "invalid_grant": "Drop the code or refresh token and send the person to sign in again.",
    "invalid_redirect_uri": "Register an https address, without fragment and wildcards.",
    "invalid_request": "A bug in the caller: the description says which parameter. Do not retry unchanged.",
    "invalid_scope": "Ask only for what the client is allowed.",
    "invalid_target": "Ask only for resources that the client may name.",
    "login_required": "Send the person to `/oauth/authorize` without `prompt=none`.",
    "consent_required": "Send the person to `/oauth/authorize` without `prompt=none`.",
    "password_change_required": "Let the administrator choose a new password: `POST /api/admin/change-password`.",
    "foreign_form": "A page that a person looks at: forms of our own pages are sent from there only.",
    "invalid_request_uri": "Push the request again: each is good once, within a minute, for its own client.",
    "request_gone": "A page that a person looks at: they start again at the application.",
    "unknown_client": "A page that a person looks at. Check `client_id` and that the client is active.",
    "unknown_redirect_uri": "A page that a person looks at. Register the address exactly as it is sent.",
    "request_not_supported": "Send the parameters themselves, or push them to `/oauth/par`.",
    "request_uri_not_supported": "Send the parameters themselves, or push them to `/oauth/par`.",
    "server_error": "Report it with the `X-Request-ID` of the answer. Retry only what is safe to repeat.",
    "slow_down": "Ask again, five seconds later than before from now on.",
    "temporarily_unavailable": "Nothing was decided. Retry after `Retry-After` seconds, with back-off.",
    "too_many_requests": "Wait for `Retry-After` seconds, then try once.",
    "unauthorized_client": "Allow the client this grant: `identry apps update … --grant`.",
    "unsupported_grant_type": "A bug in the caller: discovery lists the grants.",
    "unsupported_response_type": "A bug in the caller: only `code` is served.",
    "unmet_authentication_requirements": "Ask without that `acr`, or for one that discovery lists.",
    "account_inactive": "Tell the person to ask staff. Do not retry.",
    "address_blocked": "Show that the network is not let in; whoever runs the platform can say why. Do not retry.",
    "already_member": "Show the person in the list of users; change the groups there.",
    "conflict": "Read the target again, show the message, let the person decide.",
    "directory_taken": "Say that another tenant has the directory. Whoever runs the platform can tell which.",
    "domain_not_verified": "Show `details.record`, and try again when it is in the DNS.",
    "domain_taken": "Say that another tenant has the domain. Whoever runs the platform can tell which.",
    "provider_unavailable": "Show the message; the tenant's administrators can try the provider in its settings.",
    "email_domain_not_allowed": "Ask for an address of the organisation. Do not retry.",
    "email_exists": "Offer sign-in and password reset instead.",
    "expired": "Ask for a new link or invitation.",
    "forbidden": "Hide or disable the action. Signing in again changes nothing.",
    "group_built_in": "Show the group read-only; make another one instead.",
    "group_exists": "Ask for another name.",
    "internal_error": "Report it with the `X-Request-ID` of the answer. Retry only what is safe to repeat.",
    "invalid_code": "Show the message; the person may try another code.",
    "invalid_credentials": "Show the message at the form.",
    "invalid_token": "Refresh once with the cookie, then show the sign-in page.",
    "invitation_expired": "Tell the person to ask for a new invitation.",
    "invitation_used": "Offer sign-in instead.",
    "last_admin": "Put somebody else into Admin first.",
    "last_sign_in_method": "Offer to set a password, or to add another passkey or identity first.",
    "method_not_allowed": "A bug in the caller: use a method that `Allow` lists.",
    "mfa_already_enabled": "Show that it is on; moving to another app begins with `POST /api/v1/auth/mfa/disable`.",
    "mfa_code_required": "Ask for a code, send it to `POST /api/v1/auth/mfa/step-up`, then repeat the request.",
    "mfa_not_enabled": "Show that it is off.",
    "mfa_required": "Ask for the second factor and send it with `details.mfaToken` to `POST /auth/mfa/verify`.",
    "mfa_required_by_policy": "Hide the action: an administrator demands a second factor.",
    "mfa_setup_required": "Let the person set up a second factor; under `/api/v1` the sign-in's answer has a ticket.",
    "no_pending_setup": "Begin the set-up again; a secret waits ten minutes for its first code.",
    "no_sign_in": "Lead the administrator to the single sign-on settings first.",
    "not_found": "The id is wrong, or not for this caller to know. Do not retry.",
    "not_implemented": "This deployment does not serve it; the message says what is missing.",
    "only_way_in": "Have the tenant's policy changed first, or set up another provider in place of this one.",
    "origin_not_allowed": "Add the page's origin to `ALLOW_ORIGINS`, exactly as the browser writes it.",
    "owner_is_admin": "Change the role in the company first.",
    "own_proof_required": "Let the person sign in another way, and set up a second factor of their own there.",
    "passkey_exists": "Tell the person that this device has a passkey here already.",
    "passkey_refused": "Ask for new options and let the person try again.",
    "password_login_disabled": "Offer single sign-on instead.",
    "payload_too_large": "A bug in the caller: bodies are limited to 1 MiB.",
    "pending_approval": "Tell the person that staff still have to approve the account.",
    "rate_limited": "Wait for `Retry-After` seconds, then try once.",
    "reauthentication_required": "Let the person sign in again, then repeat the request; refreshing changes nothing.",
    "registration_disabled": "Hide the form: accounts come from staff or by invitation here.",
    "registration_rejected": "Tell the person to ask staff. Do not retry.",
    "service_unavailable": "Nothing was decided. Retry after `Retry-After` seconds, with back-off.",
    "session_revoked": "Drop both tokens and send the person to the sign-in page.",
    "session_token_expired": "Begin the sign-in again.",
    "tenant_inactive": "Tell the person to ask the tenant's administrators. Do not retry.",
    "timeout": "The outcome is unknown: read the target before repeating a write.",
    "token_revoked": "Drop the access token and show the sign-in page.",
    "permission_denied": "Hide or disable what needs `details.required`; `details.missing` lists what would exceed the "
    "caller's own rights.",
    "unauthorized": "With an access token: refresh once, then send the person to the sign-in page. At sign-in: show "
    "the message.",
    "too_many_domains": "Have a domain given up that is not needed.",
    "too_many_passkeys": "Let the person remove one first.",
    "unsupported_media_type": "A bug in the caller: send `Content-Type: application/json`, uncompressed.",
    "validation_error": "Show each entry of `details.fields` beside its field; do not retry unchanged.",
}

_INTRODUCTION = """\
<!-- Generated from the operation table by `make docs`. Do not edit. -->

# Errors

An error of the platform surface (`/auth/*`, `/internal/*`, health, keys) is

```json
{"success": false, "error": {"code": "…", "message": "…", "details": {}}}
```

and of the browser surface (`/api/v1/*`)

```json
{"error": {"code": "…", "message": "…", "details": {}}}
```

Under `/oauth` it is that of RFC 6749, `{"error": "code", "error_description": "…"}`; under `/api/auth`, `/api/admin`,
`/api/apps` and `/api/profile` the sentence itself, `{"error": "…"}`, but for the few codes below that name such a path.

`code` is stable: branch on it. `message` is for people and may change; at 5xx it is generic, the cause is in the log
under the answer's `X-Request-ID`. `details` is there only where this page says so. Whatever the code, the status keeps
its meaning: 401 is a problem of authentication, 403 of authorization, 503 means that nothing could be decided. An
outage never looks like a wrong password.
"""

Coded = tuple[str, Kind]
"""A code as a surface says it, and the error behind it."""

_ANYWHERE = "any path"


def errors_markdown(operations: Iterable[Operation]) -> str:
    """The text of `docs/errors.md`."""
    listed = [operation for operation in operations if not operation.hidden]
    raised: dict[Coded, list[Operation]] = {(kind.code, kind): [] for kind in (UnknownRoute, MethodNotAllowed)}
    for operation in listed:
        for kind in refusals(operation):
            if code := _code(kind, operation):
                raised.setdefault((code, kind), []).append(operation)
    by_code: dict[tuple[int, str], list[Kind]] = {}
    for code, kind in sorted(raised, key=lambda coded: (coded[1].status, coded[0])):
        by_code.setdefault((kind.status, code), []).append(kind)
    parts = [_INTRODUCTION, _summary(by_code)]
    status = 0
    for (number, code), kinds in by_code.items():
        if number != status:
            status = number
            parts.append(f"## {status} {HTTPStatus(status).phrase}\n")
        parts.append(_section(code, kinds, raised, _groups(listed)))
    return "\n".join(parts)


def _code(kind: Kind, operation: Operation) -> str:
    """What a client branches on; empty under `/api`, where most errors are a sentence."""
    if operation.surface == "api" and kind.status != TooManyRequests.status:
        return getattr(kind, "api_error", "")
    told = envelope(kind, operation)["error"]
    return str(told["code"] if isinstance(told, dict) else told)


def _summary(by_code: Iterable[tuple[int, str]]) -> str:
    rows = [f"| {status} | [`{code}`](#{code}) | {_advice(code)} |" for status, code in by_code]
    return "| status | code | what a client does |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _groups(listed: list[Operation]) -> dict[str, list[Operation]]:
    """Sets of operations that have a name, the largest first."""
    return {
        "every operation": listed,
        "every operation but those that are for everybody": [o for o in listed if not o.for_all],
        "every operation with a bearer token": [o for o in listed if o.guard in {Guard.TOKEN, Guard.BEARER}],
        "every browser operation with a bearer token": [
            o for o in listed if o.guard in {Guard.BROWSER, Guard.BROWSER_TOKEN}
        ],
        "every operation with a token of the provider": [
            o for o in listed if o.guard in {Guard.APP_USER, Guard.SERVICE, Guard.APP_ANY} and o.surface == "oauth"
        ],
        "every operation with a body": [o for o in listed if o.body],
        "every operation with `X-Internal-API-Key`": [o for o in listed if o.guard is Guard.MACHINE],
    }


def _places(operations: list[Operation], groups: dict[str, list[Operation]]) -> str:
    """Where an error comes from, whole groups by their name."""
    named: list[str] = []
    rest = list(operations)
    for name, members in groups.items():
        if members and all(o in operations for o in members) and any(o in rest for o in members):
            named.append(name)
            rest = [o for o in rest if o not in members]
    return ", ".join([*named, *(f"`{o.method} {template(o.path)}`" for o in rest)]) or _ANYWHERE


def _section(
    code: str, kinds: list[Kind], raised: dict[Coded, list[Operation]], groups: dict[str, list[Operation]]
) -> str:
    lines = [f"### `{code}`\n", f"{_advice(code)}\n", "| when | message | from |", "|---|---|---|"]
    merged: dict[tuple[str, str], list[Operation]] = {}
    for kind in kinds:
        merged.setdefault((when(kind), envelope(kind)["error"]["message"]), []).extend(raised[code, kind])
    for (text, message), operations in merged.items():
        lines.append(f"| {_cell(text)} | {_cell(message)} | {_places(operations, groups)} |")
    return "\n".join(lines) + "\n"


def _advice(code: str) -> str:
    if code not in ADVICE:
        raise LookupError(f"say in {__name__}.ADVICE what a client does about {code!r}")
    return ADVICE[code]


def when(kind: Kind) -> str:
    """The first sentence of an error class's docstring: when it is raised."""
    first = (kind.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    text = " ".join(first.split()).removeprefix(f"{kind.status}: ")
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
