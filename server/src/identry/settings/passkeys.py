"""The domain that passkeys are bound to (WebAuthn's RP ID), as far as it can be told without asking a browser."""

from __future__ import annotations

import re

from identry.core.email_domains import domain_pattern

_NUMERIC = re.compile(r"[0-9.]+|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?")


def domain(text: str) -> str:
    """A domain, lower-case, in A-labels; or nothing.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return ""
    if "*" in text or is_address(text):
        raise ValueError("is no domain such as acme.com")
    try:
        return domain_pattern(text)
    except ValueError:
        raise ValueError("is no domain such as acme.com") from None


def is_address(host: str) -> bool:
    """Whether a host is a number: browsers bind passkeys to domains only."""
    return bool(_NUMERIC.fullmatch(host))


def covers(rp_id: str, host: str) -> bool:
    """Whether a page of `host` may use passkeys of `rp_id`: the host itself, or a domain above it that has two labels.

    Browsers also refuse domains under which anybody may register (co.uk); they know the list, we do not.
    """
    return host == rp_id or ("." in rp_id and host.endswith(f".{rp_id}"))
