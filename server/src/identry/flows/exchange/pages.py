"""GET /login/arrive: back from a provider, on a page of ours."""

from __future__ import annotations

from identry.core.limits import EXCHANGE
from identry.flows.exchange.service import Exchange, InvalidCode, ProviderGone
from identry.hosted import Hosted
from identry.signin import (
    AccountInactive,
    CredentialsChanged,
    OwnProofRequired,
    PendingApproval,
    RegistrationRejected,
)
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Operation
from identry.web.trail import parameter
from identry_kit.apierror import APIError, Forbidden


class ProviderRefused(Forbidden):
    """403: the provider, or what it said of the person, lets nobody in; `code` is the callback's word for it."""

    code = "access_denied"
    message = "the sign-in at the provider came to nothing"


def operations(exchange: Exchange, hosted: Hosted, arriving: Cookie, words: frozenset[str]) -> list[Operation]:
    """The room's page; `arriving` is the cookie that belongs to the code, `words` are the refusals of the callback."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        if error is not None:
            return await hosted.over(call, error)
        if told := parameter(call, "error"):
            raise ProviderRefused(code=told if told in words else ProviderRefused.code)
        signing_in = exchange(parameter(call, "code"), arriving.read(call) or "", call.origin)
        return await hosted.arrive(call, signing_in, arriving.cleared())

    return [
        hosted.pages.page(
            "/login/arrive",
            show,
            "Finish a sign-in at a provider",
            limits=(EXCHANGE,),
            errors=(
                InvalidCode,
                ProviderRefused,
                PendingApproval,
                RegistrationRejected,
                AccountInactive,
                CredentialsChanged,
                OwnProofRequired,
                ProviderGone,
            ),
        )
    ]
