"""What every way to sign in answers on the browser surface: tokens in the body and the cookie, or the next step.

A room's browser routes hand their service's call to `Replies.of`; nothing here decides who may sign in.
Source: contracts/browser-api.md §2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from identry.core.known_devices import KnownDevices
from identry.profile import Profile, ProfileRow, Profiles
from identry.signin import MFA_TICKET_TTL, MfaRequired, MfaSetupRequired, SignedIn
from identry.tokens import TokenPair
from identry.web.call import Answer
from identry.web.cookies import Cookie
from identry_kit.apierror import Unauthorized

BROWSER_PATH = "/api/v1/auth"


class GroupRef(msgspec.Struct, frozen=True):
    """A group of the tenant."""

    id: UUID
    name: str


class Me(msgspec.Struct, frozen=True):
    """The person who is signed in, in the tenant of the session."""

    id: UUID
    email: str
    full_name: str
    tenant_id: UUID
    tenant_name: str
    groups: list[GroupRef]
    permissions: list[str]
    modules: list[str]
    mfa_enabled: bool
    auth_methods: list[str]
    must_enroll_mfa: bool
    plan: str
    locale: Annotated[str | None, msgspec.Meta(description="Null: the browser's own.")]
    last_login_at: datetime | None


class LoginOk(msgspec.Struct, frozen=True):
    """A session: keep the access token in memory; the refresh token is in the cookie."""

    access_token: str
    expires_in: int
    user: Me
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750 token type


class MfaTicket(msgspec.Struct, frozen=True):
    """The first step is done; send a code with the token to `mfa/verify`, or a passkey's answer to `passkeys/mfa`."""

    session_token: str
    methods: list[str]
    expires_in: int
    mfa_required: bool = True


class MfaSetupTicket(msgspec.Struct, frozen=True):
    """The password was right, but a second factor is demanded and none is set up: the token opens its set-up only."""

    session_token: str
    expires_in: int
    mfa_setup_required: bool = True


NEXT_STEPS = (MfaTicket, MfaSetupTicket)
"""What a sign-in may answer instead of `LoginOk`."""


class Replies:
    """Shapes the answers of sign-ins.

    Attributes:
        cookie: of the refresh token.
        device: of a browser in which a password was right.
    """

    def __init__(self, cookie: Cookie, profiles: Profiles, device: Cookie, devices: KnownDevices) -> None:
        self.cookie = cookie
        self.device = device
        self._profiles = profiles
        self._devices = devices

    async def of(
        self, signing_in: Awaitable[SignedIn], *, status: int | None = None, by_password: bool = False
    ) -> Answer:
        """A session's answer, or what the person has to do next.

        Args:
            signing_in: the service's call.
            status: of the answer.
            by_password: whether the browser is known from now on as one of somebody who knows the password.

        Raises:
            APIError: whatever else the sign-in raises.
        """
        try:
            signed_in = await signing_in
        except MfaRequired as waiting:
            told: Any = waiting.details
            return Answer(MfaTicket(told["mfaToken"], list(told["methods"]), int(MFA_TICKET_TTL.total_seconds())), 200)
        except MfaSetupRequired as waiting:
            told = waiting.details
            return Answer(MfaSetupTicket(told["sessionToken"], int(MFA_TICKET_TTL.total_seconds())), 200)
        answer = await self.session(signed_in.tokens, status=status)
        if not by_password:
            return answer
        known = self.device.holding(self._devices.token(signed_in.user.email))
        return msgspec.structs.replace(answer, cookies=(*answer.cookies, known))

    async def session(
        self, tokens: TokenPair, profile: ProfileRow | None = None, *, status: int | None = None
    ) -> Answer:
        """The tokens of a session, its refresh token in the cookie.

        Args:
            tokens: of a session that was just proven.
            profile: who is in it, when that was read with the proof.
            status: of the answer.
        """
        found = self._profiles.of_session(tokens.session_id) if profile is None else self._profiles.of_row(profile)
        ok = LoginOk(tokens.access_token, tokens.expires_in, self.shown(await found))
        return Answer(ok, status=status, cookies=(self.cookie.holding(tokens.refresh_token),))

    def shown(self, profile: Profile) -> Me:
        """A profile as the app sees it."""
        return Me(
            id=profile.user_id,
            email=profile.email,
            full_name=profile.full_name,
            tenant_id=profile.tenant_id,
            tenant_name=profile.tenant_name,
            groups=[GroupRef(*group) for group in profile.groups],
            permissions=list(profile.permissions),
            modules=list(profile.modules),
            mfa_enabled=profile.mfa_enabled,
            auth_methods=_methods(profile),
            must_enroll_mfa=self._profiles.must_enroll(profile),
            plan=profile.plan,
            locale=None,
            last_login_at=profile.last_login_at,
        )

    @contextmanager
    def taking_away(self) -> Iterator[None]:
        """What is refused in here for want of a proof takes the cookie away: it is worth nothing."""
        try:
            yield
        except Unauthorized as refused:
            name, line = self.cookie.cleared()
            refused.headers = {**refused.headers, name.decode(): line.decode()}
            raise

    def gone(self) -> tuple[tuple[bytes, bytes], ...]:
        """Header lines that take the cookie away."""
        return (self.cookie.cleared(),)


def _methods(profile: Profile) -> list[str]:
    return [
        *(["password"] if profile.has_password else []),
        *profile.elsewhere,
        *(["passkey"] if profile.has_passkey else []),
    ]
