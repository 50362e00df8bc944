"""Which ways in the sign-in page shows."""

from __future__ import annotations

from dataclasses import dataclass

from identry.records.clients import Client


@dataclass(frozen=True, slots=True)
class Doors:
    """What this deployment offers.

    Attributes:
        password: sign-in with a password, and so the reset of one.
        link: sign-in by a mailed link.
        sign_up: whether strangers may ask for an account, which then waits for approval.
        sign_up_at_application: whether they may make one at an application that sends them here and says nothing else.
        passkey: whether there can be passkeys on these pages.
        sso: whether a domain may have its own provider.
        microsoft: sign-in with Microsoft.
    """

    password: bool
    link: bool = False
    sign_up: bool = False
    sign_up_at_application: bool = False
    passkey: bool = False
    sso: bool = False
    microsoft: bool = False

    def sign_up_for(self, client: Client | None) -> bool:
        """Whether strangers may make an account at an application; None: of the platform."""
        if client is None:
            return self.sign_up
        return self.password and client.takes_strangers(deployment=self.sign_up_at_application)
