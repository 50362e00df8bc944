"""What makes a password acceptable (OWASP ASVS 5.0 §6.2, NIST SP 800-63B-4 §3.1.1): length and not being common.

No composition rules, no forced rotation; a password is judged and verified exactly as received.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise

MAX_LENGTH = 256
"""Characters (contracts/platform-api.md §10); bounds the bytes that are hashed at 1024."""

_LONGEST_UNIT = 4


@dataclass(frozen=True, slots=True)
class PasswordFault:
    """One reason against a password.

    Attributes:
        rule: `min_length`, `max_length`, `encoding`, `common` or `email`.
        message: for people; follows the field's name ("password must have …").
    """

    rule: str
    message: str


def encode(password: str) -> bytes | None:
    """The bytes that are hashed (UTF-8, nothing stripped or normalised); None when too long or not encodable."""
    if len(password) > MAX_LENGTH:
        return None
    try:
        return password.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: not text
        return None


def check_policy(password: str, email: str = "", min_length: int = 8) -> list[PasswordFault]:
    """Everything that speaks against `password` for the account `email`; an empty list when it is acceptable.

    `min_length` counts characters (Unicode code points). The answer never contains the password.
    """
    if len(password) > MAX_LENGTH:
        return [PasswordFault("max_length", f"must have at most {MAX_LENGTH} characters")]
    if encode(password) is None:
        return [PasswordFault("encoding", "must be valid Unicode text")]
    faults = []
    if len(password) < min_length:
        faults.append(PasswordFault("min_length", f"must have at least {min_length} characters"))
    folded = password.casefold()
    if is_common(folded):
        faults.append(PasswordFault("common", "is one of the first that an attacker tries; choose another"))
    address = email.strip().casefold()
    if folded and folded in {address, address.partition("@")[0]}:
        faults.append(PasswordFault("email", "must not be the email address or the part before its @"))
    return faults


def is_common(password: str) -> bool:
    """Whether a password is in the bundled list (without regard to case) or a mere repetition or sequence."""
    folded = password.casefold()
    return _is_listed(folded) or _repeats(folded) or _counts(folded)


def _is_listed(folded: str) -> bool:
    # A search through one string takes well under a millisecond; a set of its lines takes megabytes in each worker.
    line = folded.encode("utf-8", "surrogatepass")
    return b"\n" not in line and b"\n" + line + b"\n" in _list()


def _repeats(text: str) -> bool:
    """One unit of up to four characters over and over: `aaaaaaaa`, `abcabcabc`."""
    return any(
        len(text) >= 2 * size and (text[:size] * (len(text) // size + 1))[: len(text)] == text
        for size in range(1, _LONGEST_UNIT + 1)
    )


def _counts(text: str) -> bool:
    """Neighbours in the alphabet or among the digits all the way: `abcdefgh`, `87654321`."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


@cache
def _list() -> bytes:
    """The bundled list: one folded password a line, each between line feeds."""
    return resources.files(__package__).joinpath("common.txt").read_bytes()
