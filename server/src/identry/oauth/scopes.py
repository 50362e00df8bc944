"""Scopes: read, checked against what a client may ask for, written (RFC 6749 §3.3)."""

from __future__ import annotations

import re

from identry.oauth.errors import InvalidScope
from identry.records.clients import Client

SUPPORTED = ("openid", "email", "profile", "offline_access", "api")
"""What every deployment has; a client may have more of its own (`Client.scopes`)."""

_OF_PEOPLE = frozenset({"openid", "email", "profile", "offline_access"})

USER_DEFAULT = ("openid", "email", "profile")
"""What an authorization request gets that asks for nothing (RFC 6749 §3.3), as far as the client may have it."""

_MAX = 1000
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")


def parse(text: str) -> tuple[str, ...]:
    """The scopes of a request, each once, in their order.

    Raises:
        InvalidScope: too long, or not a list of scope tokens.
    """
    if not text:
        return ()
    if len(text) > _MAX:
        raise InvalidScope("the scope is too long")
    words = tuple(dict.fromkeys(word for word in text.split(" ") if word))
    if not all(_TOKEN.fullmatch(word) for word in words):
        raise InvalidScope("the scope holds characters that no scope has")
    return words


def for_user(client: Client, text: str) -> tuple[str, ...]:
    """The scopes of an authorization request: what it asks for, or else the default.

    Raises:
        InvalidScope: too long, no list of scopes, or more than this client may ask for.
    """
    return allowed(client, parse(text)) or tuple(scope for scope in USER_DEFAULT if scope in client.scopes)


def allowed(client: Client, asked: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for, when the client may ask for all of it.

    Raises:
        InvalidScope: it may not; the message names what.
    """
    if beyond := [scope for scope in asked if scope not in client.scopes]:
        raise InvalidScope(f"not allowed to this client: {' '.join(beyond)}")
    return asked


def default(client: Client) -> tuple[str, ...]:
    """What a client gets that asks for nothing: `api`, or, where that is not among its scopes, those of its own."""
    if "api" in client.scopes:
        return ("api",)
    return tuple(scope for scope in client.scopes if scope not in _OF_PEOPLE)
