"""What a route may require of a verified caller, whatever the framework."""

from __future__ import annotations

import re
from collections.abc import Iterable

from identry_kit.apierror import Forbidden
from identry_kit.context import Caller

_SCOPE = re.compile(r"[!#-\[\]-~]+").fullmatch


class Scopes:
    """All of `scopes` must be in the token (RFC 6749 §3.3). Raises ValueError for none, or for what is no scope."""

    def __init__(self, scopes: Iterable[str]) -> None:
        self.names = tuple(scopes)
        if not self.names or not all(_SCOPE(name) for name in self.names):
            msg = "name at least one scope: visible ASCII, no space, quote or backslash"
            raise ValueError(msg)
        self._needed = frozenset(self.names)
        self._challenge = f'Bearer error="insufficient_scope", scope="{" ".join(self.names)}"'

    def check(self, caller: Caller) -> None:
        """Raise Forbidden with the challenge of RFC 6750 §3.1 unless `caller` holds them all."""
        if not self._needed <= caller.scopes:
            raise Forbidden("insufficient scope", headers={"WWW-Authenticate": self._challenge})


class Roles:
    """One of `roles` must be the caller's role, in the client `client_id` when that is given. Compared exactly."""

    def __init__(self, roles: Iterable[str], client_id: str = "") -> None:
        self._roles = frozenset(roles)
        self._client_id = client_id
        if not self._roles or "" in self._roles:
            msg = "name at least one role; nobody has the empty one"
            raise ValueError(msg)

    def check(self, caller: Caller) -> None:
        """Raise Forbidden unless `caller` has one of the roles."""
        role = caller.app_roles.get(self._client_id, "") if self._client_id else caller.role
        if role not in self._roles:
            raise Forbidden
