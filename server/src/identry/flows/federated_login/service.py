"""Leave for the provider, come back with a proof: a code for `exchange`, a linked identity, or a refusal.

Source: contracts/browser-api.md §6; SECURITY §2 rows 25, 40 to 44. No connection is held while the provider is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import FEDERATED_LOGIN, Limiter
from identry.core.origin import Origin
from identry.federation import exchange_code
from identry.federation.departure import Departure, Departures, Errand, Returned
from identry.federation.exchange_code import Arrival, Issued
from identry.federation.openid import TokenRefused
from identry.federation.provider import Provider, Providers, ProviderUnavailable
from identry.federation.token_request import Proofs
from identry.flows.federated_login.arrivals import Arrivals
from identry.flows.federated_login.invited import InvitedArrivals
from identry.flows.federated_login.refusals import NotUnderWay, Refused, require_open
from identry.flows.federated_login.standing import Contended, Proven
from identry.records import sessions, users
from identry.records.audit import Audit
from identry.records.users import User
from identry.refusals import note_failed
from identry_kit.apierror import NotFound, ServiceUnavailable

log = structlog.get_logger("identry.federation")

_MAX_PARAMETER = 8192
_TRIES = 3
_DECLINED = frozenset({"access_denied", "consent_required", "interaction_required", "login_required"})


class ProviderOff(NotFound):
    """404: this way to sign in is not offered."""

    message = "this way to sign in is not offered"


class Busy(ServiceUnavailable):
    """503: several requests made the same account at once."""

    message = "try again"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the browser brings back from the provider, as it came: nothing of it is trusted or repeated.

    Attributes:
        state, code, error, iss: parameters of the same names (RFC 6749 §4.1.2, RFC 9207); empty: absent.
    """

    state: str
    code: str
    error: str
    iss: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended well: with a code for the exchange, or (None) with a linked identity; and where it goes on.

    That is a path of the app, or of this server when the sign-in began on its own pages (`hosted`).
    """

    issued: Issued | None
    provider: str
    return_to: str
    hosted: bool = False


class FederatedLogin:
    """Signs in, and links, with identities of providers."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        providers: Providers,
        departures: Departures,
        proofs: Proofs,
        arrivals: Arrivals,
        invited: InvitedArrivals,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._providers = providers
        self._departures = departures
        self._proofs = proofs
        self._arrivals = arrivals
        self._invited = invited

    async def start(self, key: str, errand: Errand, origin: Origin) -> Departure:
        """Send the browser to the provider.

        Raises:
            Refused: the provider cannot be had (audited).
            ProviderOff: there is no such provider, or it is switched off.
            RateLimited, TooManyPending, ServiceUnavailable: too many; limiter or database cannot answer.
        """
        await self._limiter.spend(FEDERATED_LOGIN, origin.ip)
        try:
            provider = await self._find(key)
        except Refused as refused:
            await self._audit_refused(key, refused, origin)
            raise
        if provider is None:
            raise ProviderOff
        return await self._departures.begin(provider, errand)

    async def finish(self, key: str, reply: Reply, binding: str, origin: Origin) -> Outcome:
        """Take the browser back.

        Args:
            key: of the provider whose callback was called.
            reply: what it was called with.
            binding: the browser's cookie; empty: it has none.
            origin: the request.

        Raises:
            Refused: nobody is let in (audited).
            Busy, ServiceUnavailable: nothing was decided; the sign-in has to begin again.
        """
        try:
            return await self._finish(key, reply, binding, origin)
        except Refused as refused:
            await self._audit_refused(key, refused, origin)
            raise

    async def _finish(self, key: str, reply: Reply, binding: str, origin: Origin) -> Outcome:
        returned = await self._returned(key, reply, binding)
        try:
            return await self._conclude(key, reply, returned, origin)
        except Refused as refused:
            refused.page = returned.pending.return_to if returned.secrets.hosted else ""
            raise

    async def _conclude(self, key: str, reply: Reply, returned: Returned, origin: Origin) -> Outcome:
        proven = await self._prove(key, reply, returned)
        self._arrivals.require_domain(proven.identity.email)
        for _ in range(_TRIES):
            try:
                async with self._db.transaction() as tx:
                    issued = await self._settle(tx, proven, returned, origin)
            except Contended:
                continue
            return Outcome(issued, _spoken(proven.provider), returned.pending.return_to, returned.secrets.hosted)
        raise Busy

    async def _returned(self, key: str, reply: Reply, binding: str) -> Returned:
        """The sign-in that is under way, used up from now on.

        Raises:
            NotUnderWay: there is none.
        """
        short = max(len(reply.state), len(reply.code), len(reply.iss), len(binding)) <= _MAX_PARAMETER
        found = (
            await self._departures.returned(key, reply.state, binding) if short and reply.state and binding else None
        )
        if found is None:
            raise NotUnderWay
        return found

    async def _prove(self, key: str, reply: Reply, returned: Returned) -> Proven:
        """What the provider says, held against what was asked."""
        if reply.error:
            declined = reply.error in _DECLINED
            raise Refused(
                "access_denied" if declined else "provider_unavailable",
                "declined at the provider" if declined else "error of the provider",
            )
        provider = await self._find(key)
        told = returned.secrets
        if provider is None or (provider.issuer, provider.client_id) != (told.issuer, told.client_id):
            raise Refused("provider_unavailable", "switched off or replaced meanwhile")
        if not reply.code:
            raise Refused("token_invalid", "no code")
        if provider.kind == "oidc" and reply.iss != provider.issuer and (reply.iss or provider.names_itself):
            raise Refused("token_invalid", "iss of the response")  # before the code is shown to anybody
        try:
            identity = await self._proofs.redeem(provider, reply.code, told)
        except TokenRefused as refused:
            raise Refused("token_invalid", str(refused)) from None
        except ProviderUnavailable as down:
            log.warning("federation.provider_unavailable", provider=key, reason=str(down))
            raise Refused("provider_unavailable", str(down)) from None
        if reply.iss and reply.iss != identity.key.issuer:
            raise Refused("token_invalid", "iss of the response")
        return await self._arrivals.standing(provider, identity)

    async def _settle(self, tx: Executor, proven: Proven, returned: Returned, origin: Origin) -> Issued | None:
        if returned.pending.user_id is not None:
            user = await self._linker(tx, returned)
            await self._arrivals.link(tx, proven, user, origin)
            return None
        invitation = returned.pending.invitation_hash
        if invitation is None:
            admitted = await self._arrivals.admit(tx, proven, origin)
        else:
            admitted = await self._invited.admit(tx, proven, invitation, origin)
        way = "sso" if proven.provider.tenant_id is None else "sso_tenant"
        arrival = Arrival(
            amr=(way, "mfa") if proven.identity.multi_factor else (way,),
            tenant_id=admitted.tenant_id,
            token_version=admitted.user.token_version,
            provider=proven.provider.key,
            identity_id=admitted.identity_id,
        )
        return await exchange_code.issue(tx, self._clock, admitted.user, arrival)

    async def _linker(self, tx: Executor, returned: Returned) -> User:
        """Whoever began to link, as long as the session in which that was is still theirs."""
        pending = returned.pending
        assert pending.user_id is not None
        user = await users.lock(tx, pending.user_id)
        session = await sessions.find(tx, pending.session_id) if pending.session_id else None
        live = (
            user is not None
            and session is not None
            and session.user_id == user.id
            and session.revoked_at is None
            and session.expires_at > self._clock.now()
            and session.token_version == user.token_version
        )
        if user is None or not live:
            raise Refused("state_invalid", "the session ended meanwhile", pending.user_id)
        require_open(user)
        return user

    async def _find(self, key: str) -> Provider | None:
        try:
            return await self._providers.find(key)
        except ProviderUnavailable as down:
            log.warning("federation.provider_unavailable", provider=key, reason=str(down))
            raise Refused("provider_unavailable", str(down)) from None

    async def _audit_refused(self, key: str, refused: Refused, origin: Origin) -> None:
        details = {"by": "sso", "provider": key, "error": refused.code, "reason": refused.reason}
        await note_failed(self._db, self._audit, "auth.login.failed", refused.user_id, origin, **details)


def _spoken(provider: Provider) -> str:
    """The way to sign in, as `Me.auth_methods` has it."""
    return "microsoft" if provider.kind == "entra" else "oidc"
