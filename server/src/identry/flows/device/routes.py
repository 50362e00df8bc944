"""POST /oauth/device_authorization."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from identry.core.limits import DEVICE_AUTHORIZATION
from identry.flows.device.service import DeviceAuthorization, DeviceCodes
from identry.oauth.errors import InvalidClient, InvalidScope, InvalidTarget, OAuthRequestError, UnauthorizedClient
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE, ClientFields, presented
from identry.web.operations import Operation


class DeviceBody(ClientFields):
    """What the device wants."""

    scope: Annotated[str, Meta(max_length=10_000, examples=["openid profile"])] = ""
    resource: Annotated[list[Annotated[str, Meta(max_length=1024)]], Meta(max_length=10)] = msgspec.field(
        default_factory=list
    )


def operations(device: DeviceAuthorization) -> list[Operation]:
    """The room's rows of the operation table."""

    async def handle(call: Call) -> Answer:
        body: DeviceBody = call.body
        made = await device.start(presented(call, body), body.scope, tuple(body.resource), call.origin)
        return Answer(made, headers=NO_STORE)

    return [
        Operation(
            "POST",
            "/oauth/device_authorization",
            handle,
            "Begin on a device without a browser",
            tag="OAuth",
            surface="oauth",
            form="also",
            body=DeviceBody,
            reply=DeviceCodes,
            limits=(DEVICE_AUTHORIZATION,),
            errors=(OAuthRequestError, InvalidClient, UnauthorizedClient, InvalidScope, InvalidTarget),
            description="The device shows `user_code` and `verification_uri` (or `verification_uri_complete` as a QR "
            "code), and asks `POST /oauth/token` every `interval` seconds with "
            "`grant_type=urn:ietf:params:oauth:grant-type:device_code` until its person has decided (RFC 8628).",
            example={"client_id": "television", "scope": "openid profile"},
        )
    ]
