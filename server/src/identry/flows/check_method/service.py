"""Limit → policy → the domain's ways. Source: contracts/browser-api.md §2 `CheckMethod`, §5."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from identry.core.email_domains import domain_of
from identry.core.limits import CHECK_METHOD, Limiter
from identry.core.origin import Origin
from identry.signin import PasswordLoginDisabled


@dataclass(frozen=True, slots=True)
class Sso:
    """Single sign-on of a domain.

    Attributes:
        login_url: where it begins.
        display_name: what its button says.
        only: whether the tenant wants nothing else.
    """

    login_url: str
    display_name: str
    only: bool = False


@dataclass(frozen=True, slots=True)
class Ways:
    """What to offer."""

    methods: tuple[str, ...]
    preferred: str
    sso: Sso | None


SsoOf = Callable[[str], Awaitable[Sso | None]]


async def no_sso(domain: str) -> Sso | None:  # noqa: ARG001 - the signature of SsoOf
    """No domain has single sign-on of its own."""
    return None


class CheckMethod:
    """Says how an address may sign in.

    Args:
        password_login: False under `AUTH_POLICY=restricted`.
        microsoft: whether sign-in with Microsoft is configured.
        sso_of: a verified domain → the single sign-on of its tenant.
    """

    def __init__(self, limiter: Limiter, *, password_login: bool, microsoft: bool, sso_of: SsoOf = no_sso) -> None:
        self._limiter = limiter
        self._password_login = password_login
        self._microsoft = microsoft
        self._sso_of = sso_of

    async def __call__(self, email: str, origin: Origin) -> Ways:
        """The ways of the address's domain.

        Raises:
            RateLimited: the client address used up its tries.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`: there is one way, and the app knows it.
        """
        await self._limiter.spend(CHECK_METHOD, origin.ip)
        if not self._password_login:
            raise PasswordLoginDisabled
        domain = domain_of(email)
        sso = await self._sso_of(domain) if domain else None
        methods = [
            *([] if sso and sso.only else ["password"]),
            *(["microsoft"] if self._microsoft and not (sso and sso.only) else []),
            *(["oidc"] if sso else []),
        ]
        return Ways(tuple(methods), "oidc" if sso else methods[0], sso)
