"""POST /oauth/authorize/consent: the form of the consent page."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.flows.consent.service import Consent
from identry.oauth.errors import RequestGone
from identry.web.authorization import answer
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Guard, Operation
from identry.web.page_forms import ForeignForm


class ConsentBody(msgspec.Struct):
    """The answer of the person."""

    request: Annotated[str, msgspec.Meta(max_length=200, description="As the page was called with.")]
    decision: Literal["agree", "decline"]


def operations(consent: Consent, session: Cookie, binding: Cookie) -> list[Operation]:
    """The room's rows of the operation table."""

    async def decide(call: Call) -> Answer:
        body: ConsentBody = call.body
        way = consent.agree if body.decision == "agree" else consent.decline
        outcome = await way(body.request, session.read(call), binding.read(call), call.origin)
        return answer(outcome, binding, status=303)

    return [
        Operation(
            "POST",
            "/oauth/authorize/consent",
            decide,
            "Agree to what an application asks for, or not",
            tag="OAuth",
            surface="oauth",
            guard=Guard.FORM,
            body=ConsentBody,
            form="only",
            status=303,
            also={200: "A page that posts the answer to the application (`response_mode=form_post`)"},
            media_type="text/html",
            errors=(RequestGone, ForeignForm),
            description="The form of the consent page, sent by it only. Goes on to `/oauth/authorize/continue`, or to "
            "the application with `error=access_denied`.",
            example={"request": "q3Xz…", "decision": "agree"},
        )
    ]
