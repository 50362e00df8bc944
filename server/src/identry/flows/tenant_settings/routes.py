"""/api/v1/settings/auth."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identry.core.email_domains import domain_pattern
from identry.flows.tenant_settings.service import AuthSettings, LooserThanDeployment, NoWayIn, TenantSettings
from identry.permissions import PermissionDenied
from identry.web.call import Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Operation

_AUTH = "/api/v1/settings/auth"

DomainPattern = Annotated[str, Meta(min_length=1, max_length=255, examples=["acme.com"])]
AuthPolicy = Literal["standard", "restricted"]


class AuthSettingsBody(msgspec.Struct, frozen=True):
    """How the people of the tenant sign in. What is sent replaces what there was."""

    auth_policy: Annotated[AuthPolicy, Meta(description="`restricted`: single sign-on only.")]
    allowed_email_domains: Annotated[
        list[DomainPattern],
        Meta(
            max_length=100,
            description="Who may be invited, register or come by single sign-on: `acme.com` is exact, `*.acme.com` its "
            "sub-domains. Empty: whatever the deployment allows.",
        ),
    ]
    mfa_required: Annotated[bool, Meta(description="Demands a second factor.")]
    mfa_for_changes: Annotated[
        bool | msgspec.UnsetType,
        Meta(description="Sensitive operations ask for a code that is at most ten minutes old. Absent: as it was."),
    ] = msgspec.UNSET


class AuthSettingsView(msgspec.Struct, frozen=True):
    """How the people of the tenant sign in, as it counts: where the deployment demands more, that is shown."""

    auth_policy: AuthPolicy
    allowed_email_domains: list[str]
    mfa_required: bool
    mfa_for_changes: bool

    @classmethod
    def of(cls, settings: AuthSettings) -> AuthSettingsView:
        """The view of the settings."""
        policy: Any = settings.auth_policy
        return cls(policy, settings.allowed_email_domains, settings.mfa_required, bool(settings.mfa_for_changes))


def operations(settings: TenantSettings) -> list[Operation]:
    """The room's rows of the operation table."""

    async def get(call: Call) -> AuthSettingsView:
        return AuthSettingsView.of(await settings.get(call.tenant_id))

    async def put(call: Call) -> AuthSettingsView:
        body: AuthSettingsBody = call.body
        wanted = AuthSettings(
            body.auth_policy,
            _patterns(body.allowed_email_domains),
            body.mfa_required,
            None if body.mfa_for_changes is msgspec.UNSET else body.mfa_for_changes,
        )
        return AuthSettingsView.of(await settings.put(call.actor.user, call.tenant_id, wanted, call.origin))

    common: dict[str, Any] = {
        "tag": "Tenant settings",
        "guard": Guard.BROWSER,
        "surface": "browser",
        "reply": AuthSettingsView,
    }
    return [
        Operation(
            "GET",
            _AUTH,
            get,
            "How the people of the tenant sign in",
            permission="settings:read",
            errors=(PermissionDenied,),
            **common,
        ),
        Operation(
            "PUT",
            _AUTH,
            put,
            "Change how the people of the tenant sign in",
            permission="settings:manage",
            sensitive=True,
            body=AuthSettingsBody,
            errors=(PermissionDenied, LooserThanDeployment, NoWayIn),
            description="Stricter than the deployment, never looser. It counts for every sign-in from now on and for "
            "every session at its next refresh; an access token that was given lives on until it expires. "
            "`restricted` needs single sign-on that works.",
            example={"auth_policy": "standard", "allowed_email_domains": ["acme.com"], "mfa_required": True},
            **common,
        ),
    ]


def _patterns(texts: list[str]) -> list[str]:
    """Domains as they are compared, each once.

    Raises:
        InvalidRequest: one is none.
    """
    found: dict[str, None] = {}
    for number, text in enumerate(texts):
        try:
            found[domain_pattern(text.strip())] = None
        except ValueError as error:
            raise InvalidRequest.field(f"allowed_email_domains[{number}]", "format", str(error)) from None
    return list(found)
