"""POST /api/v1/auth/exchange."""

from __future__ import annotations

import msgspec

from identry.browser import BROWSER_PATH, NEXT_STEPS, LoginOk, Replies
from identry.core.limits import EXCHANGE
from identry.flows.exchange.service import Exchange, InvalidCode, ProviderGone
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    OwnProofRequired,
    PendingApproval,
    RegistrationRejected,
    TenantInactive,
)
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Guard, Operation
from identry.web.validation import OpaqueToken


class ExchangeBody(msgspec.Struct):
    """The `code` of the app's callback page."""

    code: OpaqueToken


def operations(exchange: Exchange, replies: Replies, binding: Cookie) -> list[Operation]:
    """The room's rows of the browser surface; `binding` is the cookie that belongs to the code."""

    async def handle(call: Call) -> Answer:
        body: ExchangeBody = call.body
        answer = await replies.of(exchange(body.code, binding.read(call) or "", call.origin))
        return msgspec.structs.replace(answer, cookies=(*answer.cookies, binding.cleared()))

    return [
        Operation(
            "POST",
            f"{BROWSER_PATH}/exchange",
            handle,
            "Finish a sign-in at a provider",
            tag="Browser",
            surface="browser",
            guard=Guard.COOKIE,
            body=ExchangeBody,
            reply=LoginOk,
            or_replies=NEXT_STEPS,
            limits=(EXCHANGE,),
            errors=(
                InvalidCode,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                TenantInactive,
                CredentialsChanged,
                OwnProofRequired,
                ProviderGone,
            ),
            description="Send the `code` with which the provider's redirect ended at the app, with credentials: it "
            "works once, for 60 seconds, in the browser in which the sign-in began. The answer is that of `login`; "
            "without a second factor at the provider, the account's own is asked for. A tenant's own provider sets "
            "none up in an account that belongs to others too (`own_proof_required`).",
            example={"code": "hvZ0…"},
        )
    ]
