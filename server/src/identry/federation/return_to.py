"""Where the app goes on after a sign-in: a path of its own, never somebody else's address (SECURITY §2 row 44)."""

from __future__ import annotations

from urllib.parse import urlsplit

HOME = "/"
_MAX = 2048


def safe_return_to(wanted: str | None) -> str:
    """The wanted path if it surely stays on the app's origin, otherwise `/`. Source: contracts/kit.md §11.

    One `/` in front and not two, no backslash (browsers read it as a slash), nothing that does not print (they drop
    tabs and line ends), no scheme and no host however it is parsed.
    """
    path = wanted or HOME
    if len(path) > _MAX or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return HOME
    try:
        parts = urlsplit(path)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc else path
