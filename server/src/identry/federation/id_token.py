"""An ID token becomes an identity, or is refused. Source: contracts/browser-api.md §6 "ID token"; OpenID Connect Core
§3.1.3.7; SECURITY §2 rows 10, 41, 43.

It is read by the kit first, whose strictness no library has (SECURITY §1.6): sizes, alphabet, header, key, the types of
claims. Then joserfc verifies the signature and Authlib the claims (`openid`), and beside them stands what Entra ID adds
and what they let through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identry.core import email_address
from identry.core.clock import Clock
from identry.core.secrets import equal
from identry.federation import openid
from identry.federation.openid import TokenRefused
from identry.federation.provider import Kind, Provider
from identry.records.identities import IdentityKey
from identry_kit.jwtauth import Claims, InvalidToken
from identry_kit.jwtauth.claims import Policy, strings
from identry_kit.jwtauth.compact import decode_segment, read_header, read_object, split
from identry_kit.jwtauth.keys import Keys

_MAX_TOKEN = 32 * 1024
"""Entra ID tokens carry group claims; the kit's own limit is made for access tokens."""
_LEEWAY = 60.0
_REQUIRED = frozenset({"iss", "sub", "aud", "exp", "iat", "nonce"})
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_NAME = 200
_GUEST = "#ext#"
"""Marks the made-up user name of a guest in an Entra directory: nobody's address."""


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """Who somebody is at a provider.

    Attributes:
        kind: of the provider.
        key: which identity.
        email: as told, in the spelling that is stored; None: none that could be one. Anybody may have set it.
        email_vouched: whether the provider says that it looked at the address (`email_verified`).
        full_name: as told; may be empty.
        multi_factor: whether the provider asked for more than one factor (`amr` has `mfa`).
    """

    kind: Kind
    key: IdentityKey
    email: str | None
    email_vouched: bool
    full_name: str
    multi_factor: bool


async def prove(
    id_token: str, access_token: str | None, provider: Provider, keys: Keys, nonce: str, clock: Clock
) -> ProvenIdentity:
    """The identity that an ID token of this provider, asked for with this nonce, proves.

    Raises:
        TokenRefused: it proves none.
        ServiceUnavailable: the provider's keys cannot be had.
    """
    now = clock.timestamp()
    try:
        told, key = await _read(id_token, keys)
        issuer = _issuer(told, provider)
        Policy(issuer, frozenset({provider.client_id}), None, _LEEWAY, _REQUIRED).check(told, now)
    except InvalidToken as refused:
        raise TokenRefused(refused.reason) from None
    openid.check_signature(id_token, key)
    openid.check_claims(
        told,
        issuer=issuer,
        client_id=provider.client_id,
        nonce=nonce,
        access_token=access_token,
        now=now,
        leeway=_LEEWAY,
    )
    claims = Claims(told)
    _check_beside(claims, provider, nonce, access_token)
    return _identity(claims, issuer, provider)


async def _read(id_token: str, keys: Keys) -> tuple[dict[str, Any], RSAPublicKey]:
    """The claims as they stand there, and the key that the header names; nothing is proven yet.

    Raises:
        InvalidToken: it is no token to the letter, or of no key that the provider published for this algorithm.
        ServiceUnavailable: the provider's keys cannot be had.
    """
    parts = split(id_token, _MAX_TOKEN)
    header = read_header(parts.header_text, frozenset({openid.ALGORITHM}))
    key = await keys.get(header.kid)
    if key is None or key.alg != header.alg or not isinstance(key.public, RSAPublicKey):
        raise InvalidToken("unknown key")
    return read_object(decode_segment(parts.payload_text)), key.public


def _issuer(told: dict[str, Any], provider: Provider) -> str:
    """What `iss` has to be; at Entra ID that follows from the token's own `tid`, and the verified `iss` confirms it."""
    if provider.kind != "entra":
        return provider.issuer
    tid = told.get("tid")
    if not isinstance(tid, str) or not _GUID.fullmatch(tid):
        raise TokenRefused("tid")
    if provider.directory_id is not None and tid != provider.directory_id:
        raise TokenRefused("another directory")
    return provider.issuer.replace("{tid}", tid)


def _check_beside(claims: Claims, provider: Provider, nonce: str, access_token: str | None) -> None:
    """Where Authlib is laxer than a sign-in may be."""
    if not equal(claims.text("nonce"), nonce):  # it compares in a time that tells how far they agree
        raise TokenRefused("nonce")
    azp = claims.get("azp")
    if azp is not None and azp != provider.client_id:  # it takes an empty one for none
        raise TokenRefused("azp")
    if "at_hash" in claims and not (claims.text("at_hash") and access_token):  # it passes over both
        raise TokenRefused("at_hash")


def _identity(claims: Claims, issuer: str, provider: Provider) -> ProvenIdentity:
    entra = provider.kind == "entra"
    tid, subject = (claims.text("tid"), claims.text("oid")) if entra else ("", claims.sub)
    if entra and not _GUID.fullmatch(subject):
        raise TokenRefused("oid")
    return ProvenIdentity(
        kind=provider.kind,
        key=IdentityKey(issuer, tid, subject),
        email=address_of(claims, provider.kind),
        email_vouched=claims.get("email_verified") is True,
        full_name=name_of(claims),
        multi_factor="mfa" in strings(claims.get("amr")),
    )


def address_of(claims: Claims, kind: Kind) -> str | None:
    """The first claim that is an address; Entra ID has it as the user's name where there is no mailbox."""
    for claim in ("email", "preferred_username") if kind == "entra" else ("email",):
        text = claims.text(claim)
        if text and len(text) <= email_address.MAX_LENGTH and _GUEST not in text.lower():
            try:
                return email_address.normalised(text)
            except ValueError:
                continue
    return None


def name_of(claims: Claims) -> str:
    """What the person is called, in one printable line; may be empty."""
    told = claims.text("name") or " ".join(filter(None, (claims.text("given_name"), claims.text("family_name"))))
    return "".join(c if c.isprintable() else " " for c in told).strip()[:_MAX_NAME]
