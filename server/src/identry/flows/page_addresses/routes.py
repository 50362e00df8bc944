"""GET / and /auth/{page}: redirects."""

from __future__ import annotations

from identry.web.call import Answer, Call
from identry.web.operations import Handler, Operation

_PAGES = {
    "/": "/account",
    "/auth/login": "/login",
    "/auth/signup": "/signup",
    "/auth/forgot-password": "/forgot-password",
    "/auth/reset-password": "/reset-password",
    "/auth/verify-email": "/verify-email",
    "/auth/invite": "/invite",
}


def operations() -> list[Operation]:
    """The room's rows."""
    return [
        Operation(
            "GET",
            address,
            _to(page),
            f"To the page {page}",
            tag="Sign in",
            status=302,
            enveloped=False,
            description="For people: another address of the page. Every parameter goes along.",
        )
        for address, page in _PAGES.items()
    ]


def _to(page: str) -> Handler:
    async def redirect(call: Call) -> Answer:
        query = call.scope["query_string"].decode("latin-1")
        return Answer(b"", headers={"Location": page + (f"?{query}" if query else "")})

    return redirect
