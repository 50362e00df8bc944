"""Resource indicators: for which servers a token is meant (RFC 8707)."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from identry.oauth.errors import InvalidTarget

_MOST = 10
_LONGEST = 1024


def allowed(asked: Collection[str], known: Collection[str]) -> tuple[str, ...] | None:
    """The resources of a request, each once; None: it names none, so everything `known` is meant.

    Raises:
        InvalidTarget: too many, malformed, or not among the `known` ones.
    """
    if not asked:
        return None
    if len(asked) > _MOST:
        raise InvalidTarget("too many resources")
    for resource in asked:
        if len(resource) > _LONGEST or not _is_absolute(resource):
            raise InvalidTarget("a resource is an absolute URI without a fragment")
        if resource not in known:
            raise InvalidTarget
    return tuple(dict.fromkeys(asked))


def _is_absolute(resource: str) -> bool:
    try:
        parts = urlsplit(resource)
    except ValueError:
        return False
    return bool(parts.scheme) and " " not in resource and resource.isascii() and "#" not in resource
