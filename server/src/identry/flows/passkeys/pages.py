"""/account/passkeys: somebody's own passkeys, renamed and removed."""

from __future__ import annotations

from typing import Annotated

import msgspec

from identry.flows.passkeys.service import FactorDemanded, LastWayIn, OwnPasskeys, UnknownPasskey
from identry.records.passkeys import Passkey
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.step_up import RECENT
from identry.web.validation import line
from identry_kit.apierror import APIError

_PATH = f"{HOME}/passkeys"
_ONE = f"{_PATH}/{{id:uuid}}"


class RenameForm(msgspec.Struct):
    """The new name."""

    name: Annotated[str, msgspec.Meta(max_length=80, extra={"check": line})]


class RemoveForm(msgspec.Struct):
    """A form of one button."""


def operations(own: OwnPasskeys, account: AccountPages, *, offered: bool) -> list[Operation]:
    """The room's pages; `offered`: whether passkeys can be used on these pages, and so be added."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        found, _ = await own.all(call.actor.user.id)
        return await account.show(call, "security", "passkeys", error, passkeys=found, offered=offered)

    async def one(call: Call) -> Passkey | None:
        found, _ = await own.all(call.actor.user.id)
        return next((passkey for passkey in found if passkey.id == call.path["id"]), None)

    async def show_rename(call: Call, error: APIError | None = None) -> Answer:
        passkey = await one(call)
        if passkey is None:
            return await show(call, error or UnknownPasskey())
        return await account.show(call, "security", "passkey_rename", error, passkey=passkey)

    async def rename(call: Call) -> Answer:
        actor = call.actor
        await own.rename(call.path["id"], actor.user, actor.session_id, call.body.name, call.origin)
        return account.done(_PATH, "passkeys.renamed")

    async def show_remove(call: Call, error: APIError | None = None) -> Answer:
        passkey = await one(call)
        if passkey is None:
            return await show(call, error or UnknownPasskey())
        return await account.show(call, "security", "passkey_remove", error, passkey=passkey)

    async def remove(call: Call) -> Answer:
        await own.remove(call.path["id"], call.actor.user, call.actor.session_id, call.origin)
        return account.done(_PATH, "passkeys.removed")

    return [
        account.page(_PATH, show, "Your passkeys"),
        account.page(f"{_ONE}/rename", show_rename, "Rename a passkey"),
        account.form(
            f"{_ONE}/rename", rename, show_rename, "Rename a passkey", body=RenameForm, errors=(UnknownPasskey,)
        ),
        account.page(f"{_ONE}/remove", show_remove, "Remove a passkey", fresh=RECENT),
        account.form(
            f"{_ONE}/remove",
            remove,
            show_remove,
            "Remove a passkey",
            body=RemoveForm,
            fresh=RECENT,
            errors=(UnknownPasskey, LastWayIn, FactorDemanded),
        ),
    ]
