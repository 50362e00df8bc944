"""Who a proven identity is here: known, linked now, given an account now, or refused. The table of SECURITY §2 row 40.

Everything happens in the caller's transaction. Whoever is refused leaves nothing behind.
"""

from __future__ import annotations

from uuid import UUID

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.ids import uuid7
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.federation.id_token import ProvenIdentity
from identry.federation.provider import Admission, Mappings, Provider
from identry.flows.federated_login.refusals import Refused, require_open
from identry.flows.federated_login.standing import Admitted, Contended, Proven, doubt
from identry.records import groups, identities, tenants, users
from identry.records.audit import Audit
from identry.records.identities import Identity
from identry.records.tenants import Tenant, TenantMember
from identry.records.users import ApprovalStatus, AuthProvider, User


class Arrivals:
    """Decides.

    Args:
        platform_domains: `AUTH_ALLOWED_EMAIL_DOMAINS`.
        password_login: False under `AUTH_POLICY=restricted`: no password opens anything then.
    """

    def __init__(
        self,
        clock: Clock,
        audit: Audit,
        outbox: Outbox,
        mappings: Mappings,
        platform_domains: tuple[str, ...],
        *,
        password_login: bool = True,
    ) -> None:
        self._clock = clock
        self._audit = audit
        self._outbox = outbox
        self._mappings = mappings
        self._domains = platform_domains
        self._password_login = password_login

    async def standing(self, provider: Provider, identity: ProvenIdentity) -> Proven:
        """What tenants say of the identity's directory and domain; a tenant's own provider speaks for that tenant."""
        admission: Admission | None = None
        if provider.tenant_id is not None:
            admission = Admission(provider.tenant_id, provider.jit, provider.default_group_ids)
        elif identity.key.directory_id:
            admission = await self._mappings.tenant_of_directory(identity.key.directory_id)
        domain = email_domains.domain_of(identity.email) if identity.email else ""
        owner = await self._mappings.tenant_of_domain(domain) if domain else None
        return Proven(provider, identity, admission, owner)

    async def admit(self, tx: Executor, proven: Proven, origin: Origin) -> Admitted:
        """Who signs in.

        Raises:
            Refused: nobody.
            Contended: begin again in a new transaction.
        """
        known = await identities.find(tx, proven.identity.key)
        if known is not None:
            return await self._recognise(tx, proven, known, origin)
        if proven.identity.email is None:
            raise Refused("token_invalid", "no usable address")
        holder = await users.find_by_email(tx, proven.identity.email)
        if holder is not None:
            return await self._link_silently(tx, proven, holder, origin)
        return await self._provision(tx, proven, proven.identity.email, origin)

    async def link(self, tx: Executor, proven: Proven, user: User, origin: Origin) -> None:
        """Give an identity to an account whose owner proved both; again is not an error.

        Raises:
            Refused: it belongs to another account.
            Contended: begin again.
        """
        known = await identities.find(tx, proven.identity.key)
        if known is None:
            await self.attach(tx, proven, user, "account page", origin)
        elif known.user_id != user.id:
            raise Refused("account_link_required", "identity of another account", user.id)

    async def _recognise(self, tx: Executor, proven: Proven, known: Identity, origin: Origin) -> Admitted:
        user = await users.find(tx, known.user_id)
        if user is None:
            raise Contended
        require_open(user)
        tenant = await self._tenant_for(tx, proven, user, origin)
        self.require_domain(user.email, tenant, user.id)
        self.require_domain(proven.identity.email, tenant, user.id)
        told = proven.identity
        if not await identities.touch(tx, known.id, told.email, told.full_name or None, self._clock.now()):
            raise Contended
        return Admitted(user, known.id, tenant.id)

    async def _tenant_for(self, tx: Executor, proven: Proven, user: User, origin: Origin) -> Tenant:
        """The tenant of the directory, as far as the user belongs to it; else, at the platform's app, their own.

        Nothing is held: the exchange asks again before there is a session.
        """
        admission = proven.admission
        if admission is not None:
            tenant = await tenants.find(tx, admission.tenant_id)
            member = await tenants.find_member(tx, admission.tenant_id, user.id)
            if tenant is not None and tenant.is_active and member is not None and member.is_active:
                return tenant
            if proven.provider.tenant_id is not None:
                return await self._enter(tx, admission, member, user, origin)
        home = await tenants.home_of(tx, user.id)
        if home is None:
            raise Refused("account_inactive", "no active tenant", user.id)
        return home

    async def _enter(
        self, tx: Executor, admission: Admission, member: TenantMember | None, user: User, origin: Origin
    ) -> Tenant:
        """A tenant's own provider opens that tenant and no other: whoever is no member yet becomes one, or is refused.

        Whoever was removed does not come back by signing in.
        """
        if member is not None or not admission.jit:
            raise Refused("account_inactive", "no member of the tenant", user.id)
        await users.lock(tx, user.id)
        tenant = await self._own_tenant(tx, admission)
        await self._join(tx, user, tenant, admission, origin)
        return tenant

    async def _link_silently(self, tx: Executor, proven: Proven, holder: User, origin: Origin) -> Admitted:
        """Only where the tenant answers for directory and domain both; otherwise the person links it themselves."""
        user = await users.lock(tx, holder.id)
        if user is None or user.email != proven.identity.email:
            raise Contended
        await self.require_no_doubt(tx, proven, user)
        assert proven.admission is not None  # or there were a doubt
        require_open(user)
        tenant = await self._own_tenant(tx, proven.admission)
        self.require_domain(user.email, tenant, user.id)
        member = await tenants.find_member(tx, tenant.id, user.id)
        if member is None and proven.admission.jit:
            await self._join(tx, user, tenant, proven.admission, origin)
        elif member is None or not member.is_active:
            raise Refused("account_inactive", "no member of the tenant", user.id)
        if not user.email_verified:
            # A password that somebody was given opens nothing now, and shall not when the policy changes.
            changes = {"email_verified": True, "password_hash": None}
            user = await users.update(tx, user.id, changes, now=self._clock.now(), bump=True)
        identity_id = await self.attach(tx, proven, user, "verified domain", origin)
        return Admitted(user, identity_id, tenant.id)

    async def require_no_doubt(self, tx: Executor, proven: Proven, user: User) -> None:
        """Let an identity be linked to an account only because their address is the same.

        Raises:
            Refused: the address alone does not show that they are the same person's.
            Contended: another window of the same person linked it after the caller looked for it.
        """
        if reason := await doubt(tx, proven, user, password_login=self._password_login):
            if await identities.find(tx, proven.identity.key) is not None:
                raise Contended
            raise Refused("account_link_required", reason, user.id)

    async def _provision(self, tx: Executor, proven: Proven, email: str, origin: Origin) -> Admitted:
        admission = proven.admission
        if admission is None:
            raise Refused("tenant_unknown", "directory of no tenant")
        if not admission.jit:
            raise Refused("access_denied", "the tenant makes no accounts at sign-in")
        if proven.domain_owner not in {None, admission.tenant_id}:
            raise Refused("email_domain_not_allowed", "domain of another tenant")
        tenant = await self._own_tenant(tx, admission)
        self.require_domain(email, tenant)
        user = self.newcomer(proven, email)
        if not await users.insert(tx, user):
            raise Contended
        await self._audit.record(
            tx, "user.created", origin, actor=user.id, target=user.id, company_id=tenant.id, details={"by": "sso"}
        )
        await self._join(tx, user, tenant, admission, origin)
        identity_id = await self.attach(tx, proven, user, "first sign-in", origin)
        return Admitted(user, identity_id, tenant.id)

    def newcomer(self, proven: Proven, email: str) -> User:
        """An account for somebody new; approved, because a tenant lets its directory's people in, or invited them."""
        identity = proven.identity
        vouched = identity.kind == "entra" or identity.email_vouched
        return users.new(
            uuid7(self._clock),
            email,
            self._clock.now(),
            full_name=identity.full_name or email.partition("@")[0],
            is_active=True,
            approval_status=ApprovalStatus.APPROVED,
            auth_provider=AuthProvider.MICROSOFT if identity.kind == "entra" else AuthProvider.SSO,
            email_verified=vouched
            and proven.admission is not None
            and proven.domain_owner == proven.admission.tenant_id,
        )

    async def _own_tenant(self, tx: Executor, admission: Admission) -> Tenant:
        tenant = await tenants.lock(tx, admission.tenant_id)
        if tenant is None or not tenant.is_active:
            raise Refused("tenant_unknown", "the tenant is not active")
        return tenant

    async def _join(self, tx: Executor, user: User, tenant: Tenant, admission: Admission, origin: Origin) -> None:
        now = self._clock.now()
        await tenants.put_member(tx, tenant.id, user.id, is_active=True, now=now)
        for group in await groups.of_ids(tx, tenant.id, list(admission.default_group_ids)):
            await groups.add_member(tx, tenant.id, group.id, user.id, now)
        await tenants.touch(tx, tenant.id)
        await self._audit.record(
            tx,
            "tenant.member.updated",
            origin,
            actor=user.id,
            target=user.id,
            company_id=tenant.id,
            details={"isActive": {"from": None, "to": True}, "by": "sso"},
        )

    async def attach(self, tx: Executor, proven: Proven, user: User, by: str, origin: Origin) -> UUID:
        """Link the identity to an account; its id. `by` says on what grounds, for the audit log.

        Raises:
            Contended: somebody linked it meanwhile.
        """
        told, now = proven.identity, self._clock.now()
        identity = Identity(
            id=uuid7(self._clock),
            user_id=user.id,
            kind=told.kind,
            issuer=told.key.issuer,
            directory_id=told.key.directory_id,
            subject=told.key.subject,
            email=told.email,
            full_name=told.full_name or None,
            created_at=now,
            last_login_at=None if by == "account page" else now,
        )
        if not await identities.insert(tx, identity):
            raise Contended
        if by != "first sign-in":
            await self._outbox.enqueue(
                tx,
                template="identity_linked",
                to=user.email,
                context={"full_name": user.full_name, "provider_name": proven.provider.display_name},
            )
        await self._audit.record(
            tx,
            "identity.linked",
            origin,
            actor=user.id,
            target=user.id,
            company_id=proven.provider.tenant_id,
            details={"identityId": str(identity.id), "provider": proven.provider.key, "by": by},
        )
        return identity.id

    def require_domain(self, email: str | None, tenant: Tenant | None = None, user_id: UUID | None = None) -> None:
        """The allow-lists of deployment and tenant; an address that the provider did not tell is not looked at.

        Raises:
            Refused: one of them does not name the address's domain.
        """
        narrower = tenant.allowed_email_domains if tenant else ()
        if email is not None and not email_domains.allowed(email, self._domains, narrower):
            raise Refused("email_domain_not_allowed", "domain not on the list", user_id)
