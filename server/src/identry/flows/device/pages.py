"""GET and POST /device, POST /device/decision: a person enters the code that a device shows, and decides.

The code may come with the address (`verification_uri_complete`), but it is always shown and compared before anything is
agreed to (RFC 8628 §5.4: somebody else may have sent the link).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.core.limits import DEVICE_USER_CODE
from identry.flows.device.service import DeviceAuthorization, UnknownUserCode
from identry.hosted import Hosted
from identry.oauth.browser_session import BrowserSession
from identry.oauth.scopes import SUPPORTED
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation
from identry.web.trail import parameter
from identry_kit.apierror import APIError

PATH = "/device"
UserCode = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DeviceForm(msgspec.Struct):
    """The code that the device shows."""

    user_code: UserCode


class DecisionForm(msgspec.Struct):
    """The person's answer."""

    user_code: UserCode
    decision: Literal["allow", "deny"]


def operations(device: DeviceAuthorization, hosted: Hosted) -> list[Operation]:
    """The room's pages, for whoever is signed in in the browser."""

    async def enter(call: Call, error: APIError | None = None) -> Answer:
        return await hosted.show(call, "device.html", error, user_code=parameter(call, "user_code")[:20])

    async def look(call: Call) -> Answer:
        waiting = await device.find(call.body.user_code, _session(call), call.origin)
        return await hosted.show(
            call,
            "device_decide.html",
            client=waiting.client,
            user=call.actor.user,
            user_code=waiting.user_code,
            scopes=[scope for scope in waiting.scopes if scope in SUPPORTED and scope != "openid"],
            further=[scope for scope in waiting.scopes if scope not in SUPPORTED],
        )

    async def decide(call: Call) -> Answer:
        form: DecisionForm = call.body
        way = device.approve if form.decision == "allow" else device.deny
        await way(form.user_code, _session(call), call.origin)
        return hosted.pages.go(f"{PATH}/done" if form.decision == "allow" else f"{PATH}/denied")

    async def done(call: Call) -> Answer:
        return await hosted.show(call, "device_done.html")

    async def denied(call: Call) -> Answer:
        return await hosted.show(call, "device_denied.html")

    page, form, mine = hosted.pages.page, hosted.pages.form, Guard.PERSON_FORM
    limits, errors = (DEVICE_USER_CODE,), (UnknownUserCode,)
    return [
        page(PATH, enter, "Connect a device", guard=Guard.PERSON),
        form(PATH, look, enter, "What the device asks for", body=DeviceForm, guard=mine, limits=limits, errors=errors),
        form(
            f"{PATH}/decision",
            decide,
            enter,
            "Connect the device, or not",
            body=DecisionForm,
            guard=mine,
            limits=limits,
            errors=errors,
        ),
        page(f"{PATH}/done", hosted.plain(done), "The device is connected"),
        page(f"{PATH}/denied", hosted.plain(denied), "The device is not connected"),
    ]


def _session(call: Call) -> BrowserSession:
    actor = call.actor
    return BrowserSession(actor.session_id, actor.user, actor.amr, actor.auth_time)
