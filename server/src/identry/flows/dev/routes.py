"""GET /dev/mail and its parts, in development only."""

from __future__ import annotations

import msgspec

from identry.flows.dev.pages import PREVIEW_HEADERS, mailbox_page, preview
from identry.flows.dev.service import CapturedMail, Mailbox, NoSuchMail
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.validation import LoginEmail

_HTML = "text/html; charset=utf-8"
_TAG = "Development"


class MailQuery(msgspec.Struct):
    """Which mail."""

    to: LoginEmail | None = None


def operations(mailbox: Mailbox) -> list[Operation]:
    """The room's rows of the operation table; the caller mounts them only when `APP_ENV` is development."""

    async def listing(call: Call) -> list[CapturedMail]:
        query: MailQuery = call.query
        return await mailbox.newest(to=query.to)

    async def index(_call: Call) -> Answer:
        html, headers = mailbox_page(await mailbox.newest())
        return Answer(html, headers=headers)

    async def opened(call: Call) -> Answer:
        mail = await mailbox.get(call.path["id"])
        html, headers = mailbox_page(await mailbox.newest(), mail)
        return Answer(html, headers=headers)

    async def frame(call: Call) -> Answer:
        return Answer(preview(await mailbox.get(call.path["id"])), headers=PREVIEW_HEADERS)

    return [
        Operation(
            "GET",
            "/dev/mail.json",
            listing,
            "Captured mail, newest first",
            tag=_TAG,
            query=MailQuery,
            reply=list[CapturedMail],
            enveloped=False,
            hidden=True,
        ),
        Operation("GET", "/dev/mail", index, "Mailbox", tag=_TAG, media_type=_HTML, enveloped=False, hidden=True),
        Operation(
            "GET",
            "/dev/mail/{id:uuid}",
            opened,
            "One captured mail",
            tag=_TAG,
            errors=(NoSuchMail,),
            media_type=_HTML,
            enveloped=False,
            hidden=True,
        ),
        Operation(
            "GET",
            "/dev/mail/{id:uuid}/html",
            frame,
            "Its HTML part, for the frame",
            tag=_TAG,
            errors=(NoSuchMail,),
            media_type=_HTML,
            enveloped=False,
            hidden=True,
        ),
    ]
