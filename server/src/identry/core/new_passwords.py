"""A password that somebody chose now: judged, then hashed. Every room that stores a new password goes through here."""

from __future__ import annotations

from identry.core.passwords import Passwords
from identry_kit.apierror import BadRequest


class UnacceptablePassword(BadRequest):
    """400: the chosen password breaks the policy; `details.fields` names every rule it breaks."""

    code = "validation_error"
    message = "the password is not acceptable"


class NewPasswords:
    """Turns a chosen password into what is stored.

    Args:
        passwords: judges and hashes.
        min_length: characters that a password must have at least.
    """

    def __init__(self, passwords: Passwords, min_length: int = 8) -> None:
        self._passwords = passwords
        self._min_length = min_length

    def check(self, password: str, *, email: str, field: str) -> None:
        """Judge a password for the account of an address; `field` is its name in the request.

        Raises:
            UnacceptablePassword: with one entry for every broken rule.
        """
        faults = self._passwords.check_policy(password, email, self._min_length)
        if faults:
            raise UnacceptablePassword(
                f"{field}: {faults[0].message}",
                details={"fields": [{"field": field, "rule": f.rule, "message": f.message} for f in faults]},
            )

    async def hash(self, password: str, *, email: str, field: str) -> str:
        """Judge, then hash off the event loop; call it without a database connection in hand.

        Raises:
            UnacceptablePassword: the policy refuses it (nothing was hashed then).
            HashingBusy: too many hashes are waiting.
        """
        self.check(password, email=email, field=field)
        return await self._passwords.hash(password)
