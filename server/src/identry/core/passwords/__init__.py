"""Passwords: verified, hashed and judged, never on the event loop and never in the log (DESIGN §4.9).

`Passwords` is all that the house uses; `argon` and `foreign` read stored hashes, `pool` bounds the work, `policy`
judges new passwords.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from identry.core.passwords import argon, foreign
from identry.core.passwords.argon import Argon2Params
from identry.core.passwords.policy import MAX_LENGTH, PasswordFault, check_policy, encode
from identry.core.passwords.pool import HashingBusy, HashingPool, HashingStats

__all__ = [
    "MAX_LENGTH",
    "Argon2Params",
    "HashingBusy",
    "HashingStats",
    "PasswordFault",
    "Passwords",
    "Verdict",
    "check_policy",
    "is_known_hash",
    "is_placeholder",
]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a verification.

    Attributes:
        ok: the password belongs to the hash.
        needs_rehash: it does, and the hash is foreign or has other parameters than ours: hash the password again.
    """

    ok: bool
    needs_rehash: bool


def is_known_hash(text: str) -> bool:
    """Whether `text` is a password hash of a kind that `Passwords.verify` reads."""
    return argon.parse(text) is not None or foreign.check_for(text, b"") is not None


def is_placeholder(password_hash: str | None) -> bool:
    """Whether a stored hash stands for "no password": none at all, or one made by `Passwords.placeholder`."""
    return password_hash is None or argon.is_placeholder(password_hash)


_WRONG = Verdict(ok=False, needs_rehash=False)


class Passwords:
    """Verifies and makes password hashes in a bounded pool of threads.

    Args:
        params: the Argon2id parameters of new hashes.
        threads: how many hashes are computed at once; the number of cores is right.
        queue: how many more may wait; one beyond that is refused with `HashingBusy`.
    """

    def __init__(self, params: Argon2Params, threads: int, queue: int) -> None:
        self.params = params
        self._pool = HashingPool(threads, queue)
        self._dummy = argon.dummy_hash(params)

    @property
    def stats(self) -> HashingStats:
        """Running, queued, rejected and finished work, for the metrics."""
        return self._pool.stats

    def placeholder(self) -> str:
        """A hash for an account without a password: verifying costs what it always does, and never succeeds."""
        return argon.placeholder_hash(self.params)

    async def verify(self, password: str, password_hash: str | None) -> Verdict:
        """Whether `password`, exactly as received, belongs to `password_hash`.

        Without a hash (no such user, no password set, a malformed one) the same work is done on a dummy and the answer
        is no, so that the time tells nothing. A password over `MAX_LENGTH` characters is wrong before any work.

        Raises:
            HashingBusy: too many are waiting.
        """
        secret = encode(password)
        if secret is None:
            return _WRONG
        check, current = self._check(secret, password_hash)
        if check is None:
            await self._pool.run(partial(argon.verify, secret, self._dummy))
            return _WRONG
        ok = await self._pool.run(check)
        return Verdict(ok=ok, needs_rehash=ok and not current)

    async def hash(self, password: str) -> str:
        """A new PHC string. The policy has been asked before.

        Raises:
            ValueError: the password is over `MAX_LENGTH` characters or not encodable.
            HashingBusy: too many are waiting.
        """
        secret = encode(password)
        if secret is None:
            raise ValueError("the password is too long or not valid text")
        return await self._pool.run(partial(argon.make_hash, secret, self.params))

    def check_policy(self, password: str, email: str = "", min_length: int = 8) -> list[PasswordFault]:
        """What speaks against `password` as a new one; empty when it is acceptable. See `policy.check_policy`."""
        return check_policy(password, email, min_length)

    async def close(self) -> None:
        """Finish what runs, drop what waits."""
        await self._pool.close()

    def _check(self, secret: bytes, password_hash: str | None) -> tuple[Callable[[], bool] | None, bool]:
        """The verification to run for a stored hash, and whether that hash has our parameters."""
        if password_hash is None:
            return None, False
        parsed = argon.parse(password_hash)
        if parsed is not None:
            return partial(argon.verify, secret, parsed), parsed.has(self.params)
        check = foreign.check_for(password_hash, secret)
        if check is None:
            _log.warning("a stored password hash is malformed or of an unknown kind; the password was refused")
        return check, False
