"""What is known of somebody who comes back from a provider, and whether it is enough to call an account theirs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.federation.id_token import ProvenIdentity
from identry.federation.provider import Admission, Provider
from identry.records import identities
from identry.records.users import GlobalRole, User


class Contended(Exception):
    """Another request made this account or identity meanwhile: begin again."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known before the database is asked.

    Attributes:
        provider: where it was proven.
        identity: what was proven.
        admission: the tenant whose directory that is; None: nobody's.
        domain_owner: the tenant that proved to own the address's domain; None: nobody.
    """

    provider: Provider
    identity: ProvenIdentity
    admission: Admission | None
    domain_owner: UUID | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who it is, by which identity, and for which tenant the session will be."""

    user: User
    identity_id: UUID
    tenant_id: UUID


async def doubt(tx: Executor, proven: Proven, user: User, *, password_login: bool) -> str:
    """Why a shared address does not show that identity and account are the same person's; empty: it does.

    `password_login` says whether a password opens anything in this deployment.
    """
    identity, admission = proven.identity, proven.admission
    if admission is None:
        return "directory of no tenant"
    if proven.domain_owner != admission.tenant_id:
        return "domain not verified by the tenant"
    if identity.kind == "oidc" and not identity.email_vouched:
        return "address not verified by the provider"
    # Untouched: nobody was ever in the account and nobody holds a way into it; staff or an import made it.
    untouched = user.last_login_at is None and (user.password_hash is None or not password_login)
    if not user.email_verified and not untouched:
        return "address never proven here"  # whoever registered it first may be somebody else
    if user.global_role != GlobalRole.NONE:
        return "platform staff"
    own = await identities.of_user(tx, user.id)
    if any((i.issuer, i.directory_id) == (identity.key.issuer, identity.key.directory_id) for i in own):
        return "account has another identity of this directory"  # the address was given to somebody else
    return ""
