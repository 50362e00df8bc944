"""The cookie that ties a sign-in at a provider to its browser. Source: contracts/browser-api.md §4."""

from __future__ import annotations

from identry.web.cookies import Cookie


def login_binding(*, secure: bool, cross_site: bool, seconds: int) -> Cookie:
    """The cookie.

    `Lax`, because the provider's redirect back is a navigation from another site. Where the app itself lives on another
    site (`REFRESH_COOKIE_SAMESITE=none`) its script could neither send nor receive it then, so it is `None` there:
    nobody can do anything with it without the `state` or the code that it belongs to.

    Args:
        secure: whether browsers reach this server over TLS; `__Host-` and `Secure` follow.
        cross_site: whether the app is another site than this server.
        seconds: how long it lives.
    """
    name = "__Host-identry_login" if secure else "identry_login"
    return Cookie(name, "/", seconds, "None" if cross_site and secure else "Lax", secure)
