"""The one edge where an error becomes an answer.

Every surface speaks its own envelope (DESIGN §5); business code raises `identry_kit.apierror` kinds and never sees one.
A 5xx carries generic text only; what really happened is logged once, with the request id (the kit's `Recover`, which
calls `render`).
"""

from __future__ import annotations

import msgspec

from identry.web.surfaces import envelope_of
from identry_kit.apierror import APIError, BadRequest, Rendered, Scope, header_lines

_encode = msgspec.json.Encoder().encode


class InvalidRequest(BadRequest):
    """400: bad JSON or a field that breaks a rule; `details.fields` names every faulty field and the rule it breaks."""

    code = "validation_error"
    message = "the request is not valid"

    @classmethod
    def of(cls, faults: list[Fault]) -> InvalidRequest:
        """One error for all faults; its message is the first fault's."""
        first = faults[0]
        return cls(
            f"{first.field}: {first.message}",
            details={"fields": [{"field": f.field, "rule": f.rule, "message": f.message} for f in faults]},
        )

    @classmethod
    def field(cls, field: str, rule: str, message: str) -> InvalidRequest:
        """The error for a single faulty field."""
        return cls.of([Fault(field, rule, message)])


class Fault(msgspec.Struct, frozen=True):
    """One broken rule.

    Attributes:
        field: the path of the value in the request, for example `email` or `delegation.canBuyAddons`.
        rule: a short stable word: `required`, `type`, `length`, `format`, `enum`, `unknown`.
        message: what is wrong and what to send instead.
    """

    field: str
    rule: str
    message: str


def render(error: APIError, scope: Scope) -> Rendered:
    """Status, headers and body of the answer to `error`, in the words of the surface that was called."""
    body = _encode(envelope_of(scope["path"])(error))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *header_lines(error),
    ]
    if error.status == 401 and "WWW-Authenticate" not in error.headers:
        headers.append((b"www-authenticate", b'Bearer realm="identry"'))
    return error.status, headers, body
