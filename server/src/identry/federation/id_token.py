"""An ID token becomes an identity, or is refused. Source: contracts/browser-api.md §6 "ID token"; OpenID Connect Core
§3.1.3.7; SECURITY §2 rows 10, 41, 43.

Signature, algorithm, audience, times and the issuer are checked by the kit's strict verifier, whose reading of tokens
no library replaces (SECURITY §1.6); here is what OpenID Connect and Entra ID add.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from identry.core import email_address
from identry.core.base64url import encoded
from identry.core.clock import Clock
from identry.core.secrets import equal
from identry.federation.provider import Kind, Provider
from identry.records.identities import IdentityKey
from identry_kit.jwtauth import Claims, InvalidToken, Verifier
from identry_kit.jwtauth.claims import strings
from identry_kit.jwtauth.compact import decode_segment, read_object, split
from identry_kit.jwtauth.keys import Keys

_MAX_TOKEN = 32 * 1024
"""Entra ID tokens carry group claims; the kit's own limit is made for access tokens."""
_LEEWAY = 60.0
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_NAME = 200
_GUEST = "#ext#"
"""Marks the made-up user name of a guest in an Entra directory: nobody's address."""


class TokenRefused(Exception):
    """The ID token proves nothing; the text says why in a few words of our own."""


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
    try:
        issuer = _issuer(id_token, provider)
        verifier = Verifier(
            keys,
            issuer=issuer,
            audience=provider.client_id,
            algorithms={"RS256"},
            token_type=None,
            leeway=_LEEWAY,
            required=("iss", "sub", "aud", "exp", "iat", "nonce"),
            max_token=_MAX_TOKEN,
            cache_size=0,
            clock=clock.timestamp,
        )
        claims = await verifier.verify(id_token)
    except InvalidToken as refused:
        raise TokenRefused(refused.reason) from None
    _check_openid(claims, provider, nonce, access_token)
    return _identity(claims, issuer, provider)


def _issuer(id_token: str, provider: Provider) -> str:
    """What `iss` has to be; at Entra ID that follows from the token's own `tid`, and the verified `iss` confirms it."""
    if provider.kind != "entra":
        return provider.issuer
    tid = read_object(decode_segment(split(id_token, _MAX_TOKEN).payload_text)).get("tid")
    if not isinstance(tid, str) or not _GUID.fullmatch(tid):
        raise TokenRefused("tid")
    if provider.directory_id is not None and tid != provider.directory_id:
        raise TokenRefused("another directory")
    return provider.issuer.replace("{tid}", tid)


def _check_openid(claims: Claims, provider: Provider, nonce: str, access_token: str | None) -> None:
    if not equal(claims.text("nonce"), nonce):
        raise TokenRefused("nonce")
    azp = claims.get("azp")
    if azp is None and len(claims.aud) > 1:
        raise TokenRefused("several audiences, no azp")
    if azp is not None and azp != provider.client_id:
        raise TokenRefused("azp")
    if "at_hash" in claims and not equal(claims.text("at_hash"), _half_hash(access_token or "")):
        raise TokenRefused("at_hash")


def _half_hash(access_token: str) -> str:
    """`at_hash` of an access token beside an RS256 ID token (OpenID Connect Core §3.1.3.6)."""
    digest = hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest()
    return encoded(digest[:16])


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
