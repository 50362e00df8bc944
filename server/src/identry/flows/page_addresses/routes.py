"""GET /auth/{page}: redirects."""

from __future__ import annotations

from identry.web.call import Answer, Call
from identry.web.operations import Handler, Operation

_PAGES = ("login", "signup", "forgot-password", "reset-password", "verify-email", "invite")


def operations() -> list[Operation]:
    """The room's rows."""
    return [
        Operation(
            "GET",
            f"/auth/{page}",
            _to(f"/{page}"),
            f"To the page /{page}",
            tag="Sign in",
            status=302,
            enveloped=False,
            description="For people: where the page was before. Every parameter goes along.",
        )
        for page in _PAGES
    ]


def _to(page: str) -> Handler:
    async def redirect(call: Call) -> Answer:
        query = call.scope["query_string"].decode("latin-1")
        return Answer(b"", headers={"Location": page + (f"?{query}" if query else "")})

    return redirect
