"""OAuth clients (applications) and their secrets: `clients`, `client_secrets`.

Invariants: a secret is stored as its SHA-256 only (256 random bits, DESIGN §4.12) and at most two of one client live at
once; a public client has none; redirect addresses are compared to the letter (`identry.oauth.redirects`).
Source: contracts/provider-api.md §3 `App`, §5, §12; RFC 7591 §2.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NewType
from uuid import UUID

import msgspec

from identry.core.db import Executor, affected

HOUSE = "identry-admin"
"""The application at which administrators sign in; it comes with the database and stays as it is."""

ClientRowId = NewType("ClientRowId", UUID)


class Client(msgspec.Struct, frozen=True):
    """A row of `clients`; the field order is that of `COLUMNS`.

    Attributes:
        id: ours, in other tables.
        number: `id` on the provider surface.
        client_id: what the client calls itself (RFC 6749 §2.2).
        tenant_id: the tenant that its users' tokens are for; None: each user's own.
        is_native: an app on a device: a loopback redirect may name any port (RFC 8252 §7.3).
        first_party: of the operator itself: nobody is asked for consent.
        members_only: only its members and the platform's administrators get tokens for it.
        auth_method: `none`, `client_secret` (Basic or in the body) or `private_key_jwt`.
        jwks: JSON text of its public keys.
        audiences: resource servers that its tokens may name (RFC 8707).
        token_format: `jwt` (contract §8) or `at+jwt` (RFC 9068).
        profile_claims: whether access tokens carry address and name.
        claim_mappings: JSON text: claim under the namespace → attribute of the user.
        access_ttl, refresh_ttl: None: the deployment's.
        sign_up: whether strangers may make themselves an account there: `open`, `closed`, or as the deployment says.
    """

    id: UUID
    number: int
    client_id: str
    name: str
    owner_id: UUID | None
    tenant_id: UUID | None
    is_active: bool
    is_public: bool
    is_native: bool
    first_party: bool
    members_only: bool
    auth_method: str
    jwks: str | None
    grant_types: list[str]
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    scopes: list[str]
    audiences: list[str]
    require_pkce: bool
    require_par: bool
    require_dpop: bool
    token_format: str
    profile_claims: bool
    claim_mappings: str
    access_ttl: timedelta | None
    refresh_ttl: timedelta | None
    url: str | None
    logo_url: str | None
    brand_color: str | None
    magic_link_url: str | None
    sign_up: str
    created_at: datetime
    updated_at: datetime

    def takes_strangers(self, *, deployment: bool) -> bool:
        """Whether somebody may make themselves an account there, in a deployment that says so of all."""
        return deployment if self.sign_up == "inherit" else self.sign_up == "open"


COLUMNS = ", ".join(Client.__struct_fields__)
_OF_CLIENT = ", ".join(f"c.{name}" for name in Client.__struct_fields__)
CHANGEABLE = frozenset(Client.__struct_fields__) - {"id", "number", "client_id", "created_at", "updated_at"}


async def find(db: Executor, client_id: str) -> Client | None:
    """The client of that name, active or not, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM clients WHERE client_id = $1", client_id)  # noqa: S608 - constant
    return Client(*row) if row else None


async def find_by_id(db: Executor, row_id: UUID) -> Client | None:
    """The client of one of our ids, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM clients WHERE id = $1", row_id)  # noqa: S608 - constant
    return Client(*row) if row else None


async def find_by_number(db: Executor, number: int) -> Client | None:
    """The client of a number, or None."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM clients WHERE number = $1", number)  # noqa: S608 - constant
    return Client(*row) if row else None


async def find_registered(db: Executor, client_id: str, token_hash: bytes) -> Client | None:
    """The client of that name that registered itself and got this token to look after it (RFC 7592), or None."""
    row = await db.fetchrow(
        f"SELECT {COLUMNS} FROM clients WHERE registration_token_hash = $1 AND client_id = $2",  # noqa: S608 - constant
        token_hash,
        client_id,
    )
    return Client(*row) if row else None


async def set_registration_token(tx: Executor, row_id: UUID, token_hash: bytes) -> None:
    """Remember who may look after a registration."""
    await tx.execute("UPDATE clients SET registration_token_hash = $2 WHERE id = $1", row_id, token_hash)


async def lock(tx: Executor, row_id: UUID) -> Client | None:
    """The client, its row locked until the transaction ends, or None."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM clients WHERE id = $1 FOR UPDATE", row_id)  # noqa: S608 - constant
    return Client(*row) if row else None


async def insert(tx: Executor, row_id: UUID, client_id: str, values: dict[str, Any], *, now: datetime) -> Client | None:
    """Store a new client; None when the name is taken. Of its fields those that `values` lacks take their defaults."""
    _known(values)
    names = ", ".join(["id", "client_id", "created_at", "updated_at", *values])
    places = ", ".join(["$1", "$2", "$3", "$3", *(f"${i}" for i in range(4, 4 + len(values)))])
    row = await tx.fetchrow(
        f"INSERT INTO clients ({names}) VALUES ({places}) ON CONFLICT (client_id) DO NOTHING RETURNING {COLUMNS}",  # noqa: S608 - names checked against CHANGEABLE
        row_id,
        client_id,
        now,
        *values.values(),
    )
    return Client(*row) if row else None


async def update(tx: Executor, row_id: UUID, values: dict[str, Any], *, now: datetime) -> Client | None:
    """Change fields (names from `CHANGEABLE`); None when there is no such client."""
    _known(values)
    sets = "".join(f", {name} = ${i}" for i, name in enumerate(values, start=3))
    row = await tx.fetchrow(
        f"UPDATE clients SET updated_at = $2{sets} WHERE id = $1 RETURNING {COLUMNS}",  # noqa: S608 - names checked
        row_id,
        now,
        *values.values(),
    )
    return Client(*row) if row else None


async def delete(tx: Executor, row_id: UUID) -> bool:
    """Forget a client with its secrets, members and consents; its sessions only end: the caller revokes them first."""
    return affected(await tx.execute("DELETE FROM clients WHERE id = $1", row_id)) == 1


def _known(values: dict[str, Any]) -> None:
    if unknown := values.keys() - CHANGEABLE:
        raise ValueError(f"not changeable: {sorted(unknown)}")


# -- secrets ---------------------------------------------------------------------------------------------------------


async def end_secrets(tx: Executor, row_id: UUID) -> None:
    """Forget every secret of a client."""
    await tx.execute("DELETE FROM client_secrets WHERE client_id = $1", row_id)


async def find_all_proven(
    db: Executor, presented: list[tuple[str, bytes]], now: datetime
) -> dict[tuple[str, bytes], tuple[Client, bool]]:
    """For pairs of name and hash: the client of that name, and whether a live secret of it has that hash.

    Pairs whose name is unknown are not in it.
    """
    rows = await db.fetch(
        f"""
        SELECT a.client_id, a.secret_hash, EXISTS (
            SELECT FROM client_secrets s
            WHERE s.client_id = c.id AND s.secret_hash = a.secret_hash AND (s.expires_at IS NULL OR s.expires_at > $3)),
            {_OF_CLIENT}
        FROM unnest((SELECT $1::text[]), (SELECT $2::bytea[])) AS a (client_id, secret_hash)
        JOIN clients c ON c.client_id = a.client_id
        """,  # noqa: S608 - constant column names
        *zip(*presented, strict=True),
        now,
    )
    return {(row[0], row[1]): (Client(*row[3:]), row[2]) for row in rows}


async def add_secret(
    tx: Executor, secret_id: UUID, row_id: UUID, secret_hash: bytes, *, now: datetime, others_until: datetime | None
) -> None:
    """Give a client a new secret; of its older ones the newest lives on until `others_until`, the rest end now.

    None: all of them end now, whatever the clocks of other machines say.
    """
    if others_until is None:
        await end_secrets(tx, row_id)
    else:
        await tx.execute("DELETE FROM client_secrets WHERE client_id = $1 AND expires_at IS NOT NULL", row_id)
        await tx.execute("UPDATE client_secrets SET expires_at = $2 WHERE client_id = $1", row_id, others_until)
    await tx.execute(
        "INSERT INTO client_secrets (id, client_id, secret_hash, created_at) VALUES ($1, $2, $3, $4)",
        secret_id,
        row_id,
        secret_hash,
        now,
    )
