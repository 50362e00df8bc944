"""Which domains an address may be of: exact ones, and sub-domains of others. Source: contracts/browser-api.md §7."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")

_SPECIAL = frozenset({"alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"})
"""Top-level names that are no part of the Internet's DNS (RFC 6761, 6762, 7686, 9476; ICANN's `internal`)."""


def domain_pattern(text: str) -> str:
    """A domain as it is compared: lower-case, international labels as A-labels; `*.` in front is kept.

    Raises:
        ValueError: it is no domain.
    """
    wild, bare = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    return wild + _ascii(bare)


def provable(text: str, *ours: str) -> str:
    """A domain that somebody may claim and prove, as it is compared.

    Proof by DNS settles whose it is, so names that nobody in particular owns need no list of public suffixes: no
    tenant writes there. Refused is what the DNS of the Internet does not have, and what is `ours` or below it: the
    hosts that this deployment itself is reached at.

    Raises:
        ValueError: says why not.
    """
    name = _ascii(text.strip().removesuffix("."))
    top = name.rpartition(".")[2]
    if "." not in name:
        raise ValueError("is no domain of two labels or more")
    if top in _SPECIAL or top.isdigit():
        raise ValueError("is not in the DNS of the Internet")
    if any(name == host or name.endswith("." + host) for host in ours if host):
        raise ValueError("belongs to this service itself")
    return name


def domain_of(email: str) -> str:
    """The domain of an address, as it is compared; empty when there is none that could be."""
    try:
        return _ascii(email.rpartition("@")[2])
    except ValueError:
        return ""


def allowed(email: str, *lists: Iterable[str]) -> bool:
    """Whether every list that is not empty names the address's domain: each list narrows the one before."""
    domain = domain_of(email)
    return all(not patterns or any(_matches(domain, p) for p in patterns) for patterns in map(tuple, lists))


def covered(pattern: str, patterns: Iterable[str]) -> bool:
    """Whether every domain that a pattern stands for is named by a list (an empty list names every domain)."""
    known, bare = tuple(patterns), pattern.removeprefix("*")
    return not known or any(pattern == p or (p.startswith("*.") and bare.endswith(p[1:])) for p in known)


def _matches(domain: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return domain.endswith(pattern[1:])
    return domain == pattern


def _ascii(text: str) -> str:
    try:
        name = text.encode("ascii").decode() if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("is no domain") from None
    name = name.lower()
    if len(name) > 253 or not _DOMAIN.fullmatch(name):
        raise ValueError("is no domain")
    return name
