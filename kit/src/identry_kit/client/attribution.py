"""For whom a server calls: the browser's address and User-Agent, sent along so that limits and audit count the person.

Source: contracts/kit.md §5 and provider-api.md §1 (attribution).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

MAX_USER_AGENT = 512


@dataclass(frozen=True, slots=True)
class Attribution:
    """The browser behind a call: its address as *you* resolved it, and its User-Agent.

    Never pass a header as it came (`X-Forwarded-For`, `X-Real-IP`): the identity server believes your service, so the
    browser would choose the address under which it is limited and audited. An address that does not parse sends
    nothing; the User-Agent loses control characters and what is over 512 bytes.
    """

    ip: str = ""
    user_agent: str = ""

    def headers(self) -> dict[str, bytes]:
        """At most one canonical address in `X-Forwarded-For`, and the cleaned `User-Agent`."""
        headers: dict[str, bytes] = {}
        address = canonical_ip(self.ip)
        if address:
            headers["X-Forwarded-For"] = address.encode("ascii")
        agent = clean_user_agent(self.user_agent)
        if agent:
            headers["User-Agent"] = agent
        return headers


def canonical_ip(text: str) -> str:
    """The one spelling of an address, `""` for what is none. IPv4 inside IPv6 is IPv4; a zone is refused."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return ""
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


def clean_user_agent(text: str) -> bytes:
    """UTF-8 without control characters and lone surrogates, at most 512 bytes, never half a character."""
    kept = "".join(char for char in text[: 4 * MAX_USER_AGENT] if unicodedata.category(char) not in {"Cc", "Cs"})
    cut = kept.strip().encode("utf-8")[:MAX_USER_AGENT]
    return cut.decode("utf-8", "ignore").strip().encode("utf-8")
