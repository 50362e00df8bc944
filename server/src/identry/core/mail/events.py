"""Which mails exist, what each must be told, and where its link leads (contracts/platform-api.md §12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of mail.

    `required` and `optional` name the context keys; every value is text. A key ending in `_at` holds an RFC 3339
    instant. `expires_at` also ends the retries: a mail whose link is dead is not sent. `path` is appended to
    `FRONTEND_URL`, to `APP_BASE_URL` when `to_app`, to `OAUTH_ISSUER` when `to_issuer`, or as the context says in
    `ASKED_IN`; its `{token}` is filled in URL-quoted. `None` means the mail has no link, unless `link` names the
    context key that holds the whole of it.
    """

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    path: str | None = None
    to_app: bool = False
    to_issuer: bool = False
    link: str = ""

    def check(self, template: str, context: Mapping[str, str]) -> None:
        """Refuse a context with missing or unknown keys.

        Raises:
            ValueError: names the keys; a mistake of the calling code, found by its first test.
        """
        missing = self.required - context.keys()
        unknown = context.keys() - self.required - self.optional
        if missing or unknown:
            raise ValueError(f"mail {template}: missing {sorted(missing)}, unknown {sorted(unknown)}")


_NAME = frozenset({"full_name"})
ASKED_IN = "asked_in"
"""Key of a context: where somebody asked for the mail, and so comes back to: `PAGES` of this server, or the `APP`."""
PAGES, APP = "pages", "app"

EVENTS: Mapping[str, Event] = {
    "registration_pending": Event(optional=_NAME),
    "admin_welcome": Event(optional=_NAME, path="/login"),
    "account_approved": Event(optional=_NAME, path="/login"),
    "account_rejected": Event(optional=_NAME),
    "account_deactivated": Event(optional=_NAME),
    "password_reset": Event(
        required=frozenset({"token", "expires_at"}),
        optional=_NAME | {ASKED_IN},
        path="/reset-password?token={token}",
    ),
    "password_changed": Event(optional=_NAME),
    "email_change": Event(
        required=frozenset({"token", "expires_at"}),
        optional=_NAME,
        path="/account/email/confirm?token={token}",
        to_issuer=True,
    ),
    "email_change_requested": Event(optional=_NAME),
    "email_changed": Event(optional=_NAME),
    "identity_linked": Event(required=frozenset({"provider_name"}), optional=_NAME),
    "identity_removed": Event(required=frozenset({"provider_name"}), optional=_NAME),
    "passkey_added": Event(required=frozenset({"passkey_name"}), optional=_NAME),
    "passkey_removed": Event(required=frozenset({"passkey_name"}), optional=_NAME),
    "mfa_enabled": Event(optional=_NAME),
    "mfa_disabled": Event(optional=_NAME),
    "mfa_recovery_code_used": Event(required=frozenset({"codes_left"}), optional=_NAME),
    "mfa_recovery_codes_renewed": Event(optional=_NAME),
    "mfa_reset": Event(optional=_NAME),
    "invitation": Event(
        required=frozenset({"token", "expires_at"}),
        optional=frozenset({"inviter_name", "company_name", "role"}),
        path="/invite/{token}",
    ),
    "tenant_invitation": Event(
        required=frozenset({"token", "expires_at"}),
        optional=frozenset({"inviter_name", "company_name"}),
        path="/invite/{token}",
        to_app=True,
    ),
    "verify_email": Event(
        required=frozenset({"token", "expires_at"}),
        optional=_NAME | {"application_name"},
        path="/verify-email?token={token}",
        to_issuer=True,
    ),
    "signup_existing": Event(optional=_NAME | {"application_name"}),
    "magic_link": Event(required=frozenset({"url", "expires_at"}), optional=_NAME | {"application_name"}, link="url"),
    "app_invitation": Event(
        required=frozenset({"token", "expires_at"}),
        optional=frozenset({"inviter_name", "application_name"}),
        path="/invite?token={token}",
        to_issuer=True,
    ),
}
