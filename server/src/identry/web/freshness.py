"""How long ago did the caller sign in? Asked by operations that change how somebody signs in (ASVS 7.5.1)."""

from __future__ import annotations

from datetime import timedelta

from identry.core.clock import Clock
from identry.web.call import Call
from identry_kit.apierror import Unauthorized


class SignInAgain(Unauthorized):
    """401: the sign-in is too long ago for this; sign in again. `details.maxAge` is how old it may be, in seconds."""

    code = "reauthentication_required"
    message = "sign in again to do this"
    example_details = {"maxAge": 600}  # noqa: RUF012 - never written to

    def __init__(self, age: timedelta) -> None:
        seconds = int(age.total_seconds())
        challenge = f'Bearer realm="identry", error="insufficient_user_authentication", max_age="{seconds}"'
        super().__init__(details={"maxAge": seconds}, headers={"WWW-Authenticate": challenge})


def require_fresh(call: Call, clock: Clock, age: timedelta) -> None:
    """Refuse a session that is too old; a refresh does not make it younger.

    Raises:
        SignInAgain: it began longer than `age` ago.
    """
    if clock.now() - call.actor.auth_time > age:
        raise SignInAgain(age)
