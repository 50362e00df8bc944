"""GET /api/v1/auth/passkeys, PATCH and DELETE /api/v1/auth/passkeys/{id}."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.browser import BROWSER_PATH
from identry.core.base64url import encoded
from identry.core.passkeys import RelyingParty
from identry.flows.passkeys.service import FactorDemanded, LastWayIn, OwnPasskeys, UnknownPasskey
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.passkeys import PasskeyView
from identry.web.step_up import RECENT
from identry.web.validation import line


class PasskeysView(msgspec.Struct, frozen=True):
    """The caller's passkeys, the oldest first.

    With `rp_id` and `user_handle` a page tells the browser which ones still count
    (`PublicKeyCredential.signalAllAcceptedCredentials`), so that it stops offering the others.
    """

    data: list[PasskeyView]
    rp_id: str
    user_handle: str | None


class PasskeyRenameBody(msgspec.Struct):
    """The new name."""

    name: Annotated[str, msgspec.Meta(max_length=80, extra={"check": line}, examples=["Ada’s laptop"])]


def operations(own: OwnPasskeys, party: RelyingParty) -> list[Operation]:
    """The room's rows of the operation table."""

    async def listed(call: Call) -> PasskeysView:
        found, handle = await own.all(call.actor.user.id)
        return PasskeysView([PasskeyView.of(one) for one in found], party.id, encoded(handle) if handle else None)

    async def rename(call: Call) -> PasskeyView:
        actor, body = call.actor, call.body
        return PasskeyView.of(await own.rename(call.path["id"], actor.user, actor.session_id, body.name, call.origin))

    async def remove(call: Call) -> bytes:
        await own.remove(call.path["id"], call.actor.user, call.actor.session_id, call.origin)
        return b""

    return [
        Operation(
            "GET",
            f"{BROWSER_PATH}/passkeys",
            listed,
            "The caller's passkeys",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            reply=PasskeysView,
        ),
        Operation(
            "PATCH",
            f"{BROWSER_PATH}/passkeys/{{id:uuid}}",
            rename,
            "Rename a passkey",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            body=PasskeyRenameBody,
            reply=PasskeyView,
            errors=(UnknownPasskey,),
            example={"name": "Ada’s laptop"},
        ),
        Operation(
            "DELETE",
            f"{BROWSER_PATH}/passkeys/{{id:uuid}}",
            remove,
            "Remove a passkey",
            tag="Browser",
            surface="browser",
            guard=Guard.BROWSER,
            fresh=RECENT,
            status=204,
            errors=(UnknownPasskey, LastWayIn, FactorDemanded),
            description="Needs a sign-in that is at most ten minutes old. Every other session of the caller ends. The "
            "person is told by mail.",
        ),
    ]
