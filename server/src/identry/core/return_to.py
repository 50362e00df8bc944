"""Where the app goes on after a sign-in: a path of its own, never somebody else's address (SECURITY §2 row 44)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

HOME = "/"
_MAX = 2048
"""As it stands in a redirect, which proxies limit with the other headers."""


def safe_return_to(wanted: str | None) -> str:
    """The wanted path if it surely stays on the app's origin, otherwise `/`. Source: contracts/kit.md §11.

    One `/` in front and not two, no backslash (browsers read it as a slash), nothing that does not print (they drop
    tabs and line ends), no scheme and no host however it is parsed.
    """
    path = wanted or HOME
    if not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return HOME
    if len(quote(path, safe="")) > _MAX:
        return HOME
    try:
        parts = urlsplit(path)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc else path
