"""Limit → policy → the domain's ways. Source: contracts/browser-api.md §2 `CheckMethod`, §5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from identry.core.db import Executor
from identry.core.email_domains import domain_of
from identry.core.limits import CHECK_METHOD, Limiter
from identry.core.origin import Origin
from identry.records import domains
from identry.signin import PasswordLoginDisabled


@dataclass(frozen=True, slots=True)
class Sso:
    """Single sign-on of a domain.

    Attributes:
        login_url: where it begins.
        display_name: what its button says.
    """

    login_url: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Ways:
    """What to offer."""

    methods: tuple[str, ...]
    preferred: str
    sso: Sso | None


class CheckMethod:
    """Says how an address may sign in. Only a verified domain says anything of its tenant.

    Args:
        password_login: False under `AUTH_POLICY=restricted`.
        microsoft: whether sign-in with Microsoft is configured.
        login_url: a tenant's short name → where sign-in with its own provider begins.
    """

    def __init__(
        self, db: Executor, limiter: Limiter, *, password_login: bool, microsoft: bool, login_url: Callable[[str], str]
    ) -> None:
        self._db = db
        self._limiter = limiter
        self._password_login = password_login
        self._microsoft = microsoft
        self._login_url = login_url

    async def __call__(self, email: str, origin: Origin) -> Ways:
        """The ways of the address's domain: the same statement for every address, whoever exists.

        Raises:
            RateLimited: the client address used up its tries.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`: there is one way, and the app knows it.
        """
        await self._limiter.spend(CHECK_METHOD, origin.ip)
        if not self._password_login:
            raise PasswordLoginDisabled
        ways = await domains.ways(self._db, domain_of(email))
        own = ways is not None and ways.display_name is not None
        sso_only = ways is not None and ways.auth_policy == "restricted" and (own or self._microsoft)
        sso = Sso(self._login_url(ways.slug), ways.display_name) if ways and ways.display_name is not None else None
        methods = (
            *(() if sso_only else ("password",)),
            *(("microsoft",) if self._microsoft and not (sso_only and own) else ()),
            *(("oidc",) if own else ()),
        )
        return Ways(methods, "oidc" if own else methods[0], sso)
