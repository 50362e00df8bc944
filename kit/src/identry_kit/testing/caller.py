"""A request context without a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

from identry_kit import context
from identry_kit.testing.issuer import AUDIENCE, SUBJECT, TENANT


@contextmanager
def acting_as(*, request_id: str = "test-request", **fields: Any) -> Iterator[context.Request]:
    """A `context` record for a `with` block, its caller as a token with `Issuer.mint`'s defaults would make it.

    `fields` are those of `context.Caller` and replace the defaults; `user_id` follows from `sub` unless given. For the
    code below a web framework; a route is better tested with a token.
    """
    sub = fields.get("sub", SUBJECT)
    defaults: dict[str, Any] = {
        "sub": sub,
        "user_id": _user_id(sub),
        "tenant_id": UUID(TENANT),
        "role": "user",
        "audiences": (AUDIENCE,),
    }
    with context.use(context.Caller(**(defaults | fields)), request_id=request_id) as record:
        yield record


def _user_id(sub: str) -> UUID:
    try:
        return UUID(sub)
    except ValueError:
        return uuid5(NAMESPACE_DNS, f"socrate:{sub}")
