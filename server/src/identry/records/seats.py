"""Seats: in which tenants a user sits, and what those demand of a sign-in.

Reads `tenants` and `tenant_members` (written by their own records), `company_memberships` for the role and
`company_entitlements` for the plan. Source: contracts/browser-api.md §3, §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor


@dataclass(frozen=True, slots=True)
class Place:
    """One tenant of a user, and what it demands; the field order is the column order of the SELECTs here.

    Attributes:
        tenant_id: the tenant.
        open: whether both the tenant and the membership are active.
        role: the user's role in the company that the tenant is.
        plan: what the company bought; None: the default.
        auth_policy: `standard` or `restricted`.
        mfa_required: whether it demands a second factor.
    """

    tenant_id: UUID
    open: bool
    role: str
    plan: str | None
    auth_policy: str
    mfa_required: bool


ROLE = """
    COALESCE((SELECT c.role FROM company_memberships c
              WHERE c.company_id = tm.tenant_id AND c.user_id = tm.user_id AND c.is_active), 'MEMBER')
"""
"""The role of membership `tm`; who has none in the company is an ordinary member."""

PLACE = """
    company_memberships place ON place.company_id = tm.tenant_id AND place.user_id = tm.user_id AND place.is_active
"""
PLACE_ROLE = "COALESCE(place.role, 'MEMBER')"
"""The same role where the membership in the company is joined (`LEFT JOIN {PLACE}`)."""

PLAN = "(SELECT e.plan FROM company_entitlements e WHERE e.company_id = tm.tenant_id)"
"""What the company of membership `tm` bought; null: the default."""


LOCAL = frozenset({"pwd", "hwk", "swk", "otp"})
"""How a sign-in with a credential of our own begins (`otp` first: a mailed link); single sign-on only refuses it."""

LOCAL_SQL = f"'{{{','.join(sorted(LOCAL))}}}'::text[]"

VOUCHED = ("sso_tenant",)
"""How a sign-in begins that a tenant's own provider vouches for."""


def only_vouched(amr: Sequence[str]) -> bool:
    """Whether nothing but a tenant's own provider speaks for a sign-in: no credential of the account's own."""
    return amr[0] == VOUCHED[0] and LOCAL.isdisjoint(amr)


ADMITTED_BY_ALL = f"""
    (s.amr[1] <> '{VOUCHED[0]}' OR s.amr && {LOCAL_SQL}
     OR (SELECT count(*) FROM tenant_members tm WHERE tm.user_id = s.user_id) < 2)
    AND NOT EXISTS (
        SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.user_id = s.user_id AND tm.is_active AND t.is_active
          AND (t.mfa_required AND NOT 'mfa' = ANY (s.amr)
               OR t.auth_policy = 'restricted' AND s.amr[1] = ANY ({LOCAL_SQL})))
"""  # noqa: S608 - constant expressions
"""Whether every open place of session `s`'s user is content with how that session began; and none is beyond it."""


_FIELDS = f"t.id, t.is_active AND tm.is_active, {ROLE}, {PLAN}, t.auth_policy, t.mfa_required"
_ORDER = "(t.is_active AND tm.is_active) DESC, tm.created_at DESC, t.id DESC"

OF_U = f"""
    ARRAY(SELECT ({_FIELDS}) FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
          WHERE tm.user_id = u.id ORDER BY {_ORDER})
"""  # noqa: S608 - constant expressions
"""Every place of user `u` as `of_user` gives them; each row is the fields of a `Place`."""


async def of_user(db: Executor, user_id: UUID) -> list[Place]:
    """Every place of a user, open ones first, of those the newest first."""
    rows = await db.fetch(
        f"""
        SELECT {_FIELDS} FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
        WHERE tm.user_id = $1 ORDER BY {_ORDER}
        """,  # noqa: S608 - constant expressions
        user_id,
    )
    return [Place(*row) for row in rows]


def only_single_sign_on(places: list[Place]) -> bool:
    """Whether no place of a user can be entered with a password; somebody without an open place has no such demand."""
    demands = [place.auth_policy == "restricted" for place in places if place.open]
    return bool(demands) and all(demands)
