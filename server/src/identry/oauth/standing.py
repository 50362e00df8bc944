"""Who a user is to an application, as one row: what the claims of both surfaces' tokens and userinfo are made of.

`COLUMNS` are expressions over user `u` and client `c`, for any statement that has both; `Standing.of` reads its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from identry.records.clients import Client
from identry.records.users import GlobalRole

COLUMNS: Mapping[str, str] = {
    "number": "u.number",
    "email": "u.email",
    "email_verified": "u.email_verified",
    "full_name": "u.full_name",
    "picture": "u.profile_picture_url",
    "phone": "u.phone_number",
    "global_role": "u.global_role",
    "app_roles": """
        (SELECT json_object_agg(o.client_id, m.role ORDER BY o.client_id)
         FROM app_members m JOIN clients o ON o.id = m.client_id WHERE m.user_id = u.id)
    """,
    # The client's own tenant, or the one that the user joined last: its id and what it bought.
    "place": """
        (SELECT ARRAY[t.id::text, (SELECT e.plan FROM company_entitlements e WHERE e.company_id = t.id)]
         FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
         WHERE tm.user_id = u.id AND tm.is_active AND t.is_active AND (c.tenant_id IS NULL OR t.id = c.tenant_id)
         ORDER BY tm.created_at DESC, t.id DESC LIMIT 1)
    """,
    "profile": """
        CASE WHEN c.claim_mappings <> '{}' THEN
            (SELECT to_json(p) FROM user_profiles p WHERE p.user_id = u.id)
        END
    """,
}

SELECTED = ", ".join(f"{expression} AS {name}" for name, expression in COLUMNS.items())

_PROFILE = ("title", "division", "company", "country", "job_title", "department", "language", "timezone")

ATTRIBUTES = frozenset(
    {"user_id", "email", "email_verified", "name", "picture", "phone", "tenant_id", "plan", *_PROFILE}
)
"""What `claim_mappings` of a client may name."""

_ROLES = {GlobalRole.PLATFORM_SUPERADMIN: "superadmin", GlobalRole.PLATFORM_ADMIN: "admin"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A user as seen from one application.

    Attributes:
        number: the user's; `sub`.
        role: in this application; of a platform administrator, who is a member of none, the platform's.
        roles: the platform's role and that one.
        app_roles: `client_id` → role, of every application of which the user is a member.
        tenant_id, plan: of the client's tenant or the user's own; None: no active one.
        profile: further attributes, read only where the client maps any.
    """

    number: int
    email: str
    email_verified: bool
    name: str
    picture: str | None
    phone: str | None
    role: str
    roles: tuple[str, ...]
    app_roles: Mapping[str, str]
    tenant_id: str | None
    plan: str | None
    profile: Mapping[str, Any]

    @classmethod
    def of(cls, row: Any, client: Client) -> Standing:
        """The standing in a row that has `COLUMNS`."""
        app_roles = msgspec.json.decode(row["app_roles"], type=dict[str, str]) if row["app_roles"] else {}
        platform = _ROLES.get(row["global_role"], "user")
        role = platform if platform != "user" else app_roles.get(client.client_id, "user")
        place = row["place"]
        return cls(
            row["number"],
            row["email"],
            row["email_verified"],
            row["full_name"],
            row["picture"],
            row["phone"],
            role,
            tuple(dict.fromkeys((platform, role))),
            app_roles,
            place[0] if place else None,
            place[1] if place else None,
            msgspec.json.decode(row["profile"], type=dict[str, Any]) if row["profile"] else {},
        )


def profile_claims(standing: Standing, scopes: tuple[str, ...]) -> dict[str, Any]:
    """What the scopes `email` and `profile` let an application know (OpenID Connect Core §5.4)."""
    told: dict[str, Any] = {}
    if "email" in scopes:
        told |= {"email": standing.email, "email_verified": standing.email_verified}
    if "profile" in scopes:
        told |= {"name": standing.name, "preferred_username": standing.email}
        if standing.picture:
            told["picture"] = standing.picture
    return told


@dataclass(frozen=True, slots=True)
class Extras:
    """Which claims the deployment adds to a user's access token.

    Attributes:
        uuid_claim: `PROVIDER_UUID_CLAIM`.
        namespace: `CLAIMS_NAMESPACE`; every mapped claim begins with it, so none shadows a registered one.
        plan: of tenants that bought nothing.
    """

    uuid_claim: bool
    namespace: str
    plan: str

    def of(self, standing: Standing, user_id: UUID, client: Client) -> dict[str, Any]:
        """The additional claims (contracts/provider-api.md §8, the rows marked O)."""
        extra: dict[str, Any] = {}
        if standing.tenant_id is not None:
            extra |= {"tenant_id": standing.tenant_id, "plan": standing.plan or self.plan}
        if self.uuid_claim:
            extra["user_id"] = str(user_id)
        if client.profile_claims:
            extra |= {"email": standing.email, "name": standing.name, "email_verified": standing.email_verified}
        if client.claim_mappings != "{}":
            extra |= self._mapped(standing, user_id, client)
        return extra

    def _mapped(self, standing: Standing, user_id: UUID, client: Client) -> dict[str, Any]:
        known: dict[str, Any] = {name: standing.profile.get(name) for name in _PROFILE}
        known |= {
            "user_id": str(user_id),
            "email": standing.email,
            "email_verified": standing.email_verified,
            "name": standing.name,
            "picture": standing.picture,
            "phone": standing.phone,
            "tenant_id": standing.tenant_id,
            "plan": (standing.plan or self.plan) if standing.tenant_id else None,
        }
        mappings = msgspec.json.decode(client.claim_mappings, type=dict[str, str])
        return {
            self.namespace + claim.removeprefix(self.namespace): known[attribute]
            for claim, attribute in mappings.items()
            if known.get(attribute) is not None
        }
