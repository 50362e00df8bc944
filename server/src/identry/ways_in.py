"""The ways into an account: what is left when one of them is taken away.

Asked in the transaction that removes one, with the user's row held; and those that nobody vouched for, taken away from
whoever made the account with an address that was not theirs. Never: decides who may remove one.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.records import identities, passkeys, seats
from identry.records.users import User


@dataclass(frozen=True, slots=True)
class WaysIn:
    """What signs its user in.

    Attributes:
        local: whether passwords and passkeys count: no tenant of the user, nor the deployment, wants anything but
            single sign-on.
        password: whether there is one.
        passkey: whether there is any.
        identity: whether an identity from elsewhere is linked.
    """

    local: bool
    password: bool
    passkey: bool
    identity: bool

    @property
    def any(self) -> bool:
        """Whether one is left that counts."""
        return self.identity or (self.local and (self.password or self.passkey))


async def close_unproven(tx: Executor, user_id: UUID) -> None:
    """Take away what signs in without a password, from an account whose address its mailbox proves only now.

    Who made the account may be a stranger: their passkey or linked identity would open it for ever. A second factor
    stays: it opens nothing by itself, and a mailbox alone shall not get past one.
    """
    await identities.delete_all(tx, user_id)
    await passkeys.remove_all(tx, user_id)


async def of(tx: Executor, user: User, *, local_login: bool) -> WaysIn:
    """The ways into an account as they are now; `local_login`: what the deployment's policy says."""
    places = [place for place in await seats.of_user(tx, user.id) if place.open]
    return WaysIn(
        local_login and all(place.auth_policy != "restricted" for place in places),
        user.password_hash is not None,
        await passkeys.has_any(tx, user.id),
        bool(await identities.of_user(tx, user.id)),
    )
