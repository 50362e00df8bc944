"""Why a sign-in ends in no session, or in none yet: the errors that every path shares, the gates, what is noted."""

from __future__ import annotations

from uuid import UUID

from identry.core.db import Executor
from identry.core.origin import Origin
from identry.records.audit import Audit
from identry.records.users import ApprovalStatus, User
from identry_kit.apierror import Forbidden, Unauthorized
from identry_kit.context import annotate


class PendingApproval(Forbidden):
    """403: staff have not approved the registration yet."""

    code = "pending_approval"
    message = "your registration is waiting for approval"


class RegistrationRejected(Forbidden):
    """403: staff rejected the registration."""

    code = "registration_rejected"
    message = "your registration was rejected"


class AccountInactive(Forbidden):
    """403: the account is deactivated."""

    code = "account_inactive"
    message = "this account is deactivated"


class PasswordLoginDisabled(Forbidden):
    """403: deployment or tenant ask for single sign-on; neither passwords nor passkeys sign anybody in."""

    code = "password_login_disabled"
    api_error = "password_login_disabled"
    message = "password sign-in is disabled; use single sign-on"


class MfaRequired(Forbidden):
    """403: the first factor was right, the second is still to come; `details.mfaToken` opens `/auth/mfa/verify`."""

    code = "mfa_required"
    message = "a second factor is required"
    example_details = {"mfaToken": "Zk3v0Qy…", "methods": ["totp", "recovery_code"]}  # noqa: RUF012 - never written to


class EmailDomainNotAllowed(Forbidden):
    """403: `AUTH_ALLOWED_EMAIL_DOMAINS` does not name the address's domain."""

    code = "email_domain_not_allowed"
    message = "addresses of this domain are not allowed here"


class MfaSetupRequired(Forbidden):
    """403: a second factor is demanded, and the account has none yet; it is set up in the browser's sign-in."""

    code = "mfa_setup_required"
    message = "set up a second factor first"


class TenantInactive(Forbidden):
    """403: the account belongs to no tenant that is active."""

    code = "tenant_inactive"
    message = "this account belongs to no active tenant"


class OwnProofRequired(Forbidden):
    """403: a tenant's own provider vouched for somebody whose account is not that tenant's alone."""

    code = "own_proof_required"
    message = "the account is not this organisation's alone; sign in another way, or with a second factor of your own"


class CredentialsChanged(Unauthorized):
    """401: password, role or state of the account changed while this sign-in was under way."""

    browser_code = "invalid_credentials"
    message = "invalid email or password"


def gate(user: User) -> None:
    """May this user authenticate now? Asked before every session and every token, on every path.

    Raises:
        RegistrationRejected, PendingApproval, AccountInactive: in this order (contracts/platform-api.md §4.2).
    """
    if user.approval_status == ApprovalStatus.REJECTED:
        raise RegistrationRejected
    if user.approval_status == ApprovalStatus.PENDING:
        raise PendingApproval
    if not user.is_active:
        raise AccountInactive


async def note_failed(
    db: Executor, audit: Audit, event: str, user_id: UUID | None, origin: Origin, **details: object
) -> None:
    """Somebody did not prove who they are: in the audit log and the line of the request.

    `user_id` is whose account it was about, as far as one is known.
    """
    annotate(sign_in="failed")
    await audit.record(db, event, origin, actor="anonymous", target=user_id, success=False, details=details)


async def note_blocked(db: Executor, audit: Audit, user_id: UUID, reason: str, origin: Origin) -> None:
    """Somebody proved who they are, and may not sign in."""
    annotate(sign_in="blocked")
    await audit.record(
        db, "auth.login.blocked", origin, actor=user_id, target=user_id, success=False, details={"reason": reason}
    )
