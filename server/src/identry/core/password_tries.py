"""Passwords that are asked for again: wrong ones count, right ones do not."""

from __future__ import annotations

from identry.core.limits import Limit, Limiter
from identry.core.passwords import Passwords
from identry_kit.apierror import APIError


class PasswordTries:
    """Verifies passwords under a limit."""

    def __init__(self, passwords: Passwords, limiter: Limiter) -> None:
        self._passwords = passwords
        self._limiter = limiter

    async def __call__(self, password: str, password_hash: str | None, limit: Limit, *key: str | None) -> bool:
        """Whether a password is right.

        Counted for `key` before it is looked at, so that guesses in parallel count too, and given back when it was
        right, or when nobody learned whether it was.

        Raises:
            RateLimited: the wrong ones are used up.
            ServiceUnavailable: limiter or hashing queue cannot answer.
        """
        await self._limiter.spend(limit, *key)
        try:
            verdict = await self._passwords.verify(password, password_hash)
        except APIError:
            await self._limiter.refund(limit, *key)
            raise
        if verdict.ok:
            await self._limiter.refund(limit, *key)
        return verdict.ok
