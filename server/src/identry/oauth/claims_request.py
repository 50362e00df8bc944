"""The parameter `claims` (OpenID Connect Core §5.5): which claims a client wants, and what two of them must say.

A claim is given by the scope that holds it, so to ask for one is to ask for that scope: the consent page names it, the
grant bears it, and a token tells it. Of values, those of `sub` and `acr` count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from identry.oauth.authorization import ACR_VALUES
from identry.oauth.errors import OAuthRequestError, UnmetRequirements
from identry.records.clients import Client

_SCOPES = {
    "email": "email",
    "email_verified": "email",
    "name": "profile",
    "preferred_username": "profile",
    "picture": "profile",
}
"""Which scope gives a claim that not every token has."""
_NUMBER = re.compile("[0-9]{1,18}")


class _One(msgspec.Struct):
    """What is wanted of one claim; members that nobody here knows are ignored (§5.5.1)."""

    essential: bool = False
    value: Any = None
    values: list[Any] = []

    @property
    def wanted(self) -> list[Any]:
        return self.values or ([] if self.value is None else [self.value])


class _Wanted(msgspec.Struct):
    userinfo: dict[str, _One | None] = {}
    id_token: dict[str, _One | None] = {}


_decode = msgspec.json.Decoder(_Wanted).decode


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """A claims request, understood.

    Attributes:
        scopes: those that give the claims asked for.
        subject: who has to be signed in, as `sub` says it; empty: anybody.
        mfa: whether nothing but a second factor is good enough.
    """

    scopes: tuple[str, ...] = ()
    subject: str = ""
    mfa: bool = False

    def within(self, client: Client, asked: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes of a request, and what its claims add to them: only what this client may ask for at all."""
        if "openid" not in asked:
            return asked
        return tuple(dict.fromkeys((*asked, *(scope for scope in self.scopes if scope in client.scopes))))


def read(text: str) -> ClaimsRequest:
    """What a parameter says; of an absent one, nothing.

    Raises:
        OAuthRequestError: it is no claims request, or wants one of several people.
        UnmetRequirements: it insists on an `acr` that there is not.
    """
    if not text:
        return ClaimsRequest()
    try:
        wanted = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise OAuthRequestError("claims is a JSON object with userinfo and id_token") from None
    scopes = [_SCOPES.get(name) for name in (*wanted.userinfo, *wanted.id_token)]
    subjects = {_subject(one) for named in (wanted.userinfo, wanted.id_token) if (one := named.get("sub"))} - {""}
    if len(subjects) > 1:
        raise OAuthRequestError("claims asks for one sub")
    acr = wanted.id_token.get("acr")
    return ClaimsRequest(
        tuple(dict.fromkeys(filter(None, scopes))), next(iter(subjects), ""), acr is not None and _mfa(acr)
    )


def _subject(one: _One) -> str:
    """The one `sub` that will do; empty: any."""
    if not one.wanted:
        return ""
    if len(one.wanted) > 1 or not isinstance(one.wanted[0], str) or not _NUMBER.fullmatch(one.wanted[0]):
        raise OAuthRequestError("claims asks for one sub")
    return one.wanted[0]


def _mfa(one: _One) -> bool:
    """Whether, of the contexts that would do, `mfa` is the only one here (§5.5.1.1)."""
    known = {word for word in one.wanted if word in ACR_VALUES}
    if one.essential and one.wanted and not known:
        raise UnmetRequirements("no sign-in here has such an acr")
    return known == {"mfa"}
