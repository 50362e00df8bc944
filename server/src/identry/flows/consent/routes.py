"""POST /oauth/authorize/consent: the form of the consent page."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from identry.flows.consent.service import Consent
from identry.oauth.authorization import Waits
from identry.oauth.errors import RequestGone
from identry.web.authorization import answer
from identry.web.call import Answer, Call
from identry.web.cookies import Cookie
from identry.web.operations import Guard, Operation
from identry.web.page_forms import ForeignForm, FormGuard, FormToken


class ConsentBody(msgspec.Struct):
    """The answer of the person."""

    request: Annotated[str, msgspec.Meta(max_length=200, description="As the page was called with.")]
    decision: Literal["agree", "decline"]
    csrf: FormToken = ""


def operations(consent: Consent, session: Cookie, binding: Cookie, forms: FormGuard) -> list[Operation]:
    """The room's rows of the operation table; `forms` knows the page's own form."""

    async def decide(call: Call) -> Answer:
        body: ConsentBody = call.body
        if not forms.is_ours(call, body.csrf):  # of a page that is too old: the new one asks again
            return answer(Waits("consent", body.request), binding, status=303)
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
            "the application with `error=access_denied`; without the page's token it leads to the page again.",
            example={"request": "q3Xz…", "decision": "agree", "csrf": "k2Vd…"},
        )
    ]
