"""Proof of possession: a DPoP proof is read, judged and used up (RFC 9449 §4.3), check by check in its order.

A token that is bound to a key (`cnf.jkt`) is worth nothing without a fresh signature of that key over this request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from identry.core import jose
from identry.core.base64url import encoded
from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.secrets import equal
from identry.oauth.errors import InvalidDpopProof
from identry.records import spent_ids
from identry.records.spent_ids import Purpose
from identry_kit.apierror import Unauthorized
from identry_kit.jwtauth import Key
from identry_kit.jwtauth.compact import decode_segment, read_object, split

ALGORITHMS = ("ES256",)
"""`dpop_signing_alg_values_supported` (contracts/provider-api.md §6)."""

_WINDOW = 60
"""Seconds that a proof's `iat` may be off, either way: the clocks of devices are."""
_MAX_JTI = 256


@dataclass(frozen=True, slots=True)
class Shown:
    """A proof as a request shows it.

    Attributes:
        proof: the value of the one `DPoP` header.
        method, path: of the request; the path as it came, without query.
    """

    proof: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class _Proof:
    header: dict[str, Any]
    claims: dict[str, Any]
    key: Key
    signature: bytes
    signing_input: bytes


class Dpop:
    """Judges proofs.

    Args:
        origins: what may stand before the path in `htu`: the issuer, and the address of the admin port.
    """

    def __init__(self, db: Executor, clock: Clock, origins: tuple[str, ...]) -> None:
        self._db = db
        self._clock = clock
        self._origins = tuple(origin.rstrip("/") for origin in origins)

    async def key_of(self, shown: Shown, access_token: str | None = None) -> str:
        """The thumbprint (RFC 7638) of the key that made the proof; the proof is used up.

        `access_token`: the one that the request brings; the proof must name it (`ath`).

        Raises:
            InvalidDpopProof: any check fails; the message names it.
            ServiceUnavailable: the database cannot tell whether the proof was seen before.
        """
        proof = _read(shown.proof)
        for check in _CHECKS:
            check(proof)
        self._check_request(proof.claims, shown)
        self._check_age(proof.claims)
        if access_token is not None:
            _check_token(proof.claims, access_token)
        jkt = jose.thumbprint(jose.public_jwk(proof.key.public, ""))
        await self._use_up(proof.claims["jti"], jkt)
        return jkt

    def _check_request(self, claims: dict[str, Any], shown: Shown) -> None:
        if claims.get("htm") != shown.method:
            raise InvalidDpopProof("htm is not the method of this request")
        htu = claims.get("htu")
        if not isinstance(htu, str) or _without_query(htu) not in {origin + shown.path for origin in self._origins}:
            raise InvalidDpopProof("htu is not the address of this request")

    def _check_age(self, claims: dict[str, Any]) -> None:
        iat = claims.get("iat")
        if isinstance(iat, bool) or not isinstance(iat, int | float):
            raise InvalidDpopProof("iat is missing")
        if not abs(self._clock.timestamp() - iat) <= _WINDOW:
            raise InvalidDpopProof("iat is too far from now")

    async def _use_up(self, jti: str, jkt: str) -> None:
        hashed = spent_ids.id_hash(Purpose.DPOP_PROOF, jkt, jti)
        until = self._clock.now() + timedelta(seconds=2 * _WINDOW)
        if not await spent_ids.spend(self._db, Purpose.DPOP_PROOF, hashed, until):
            raise InvalidDpopProof("the proof was used before")


def _read(text: str) -> _Proof:
    """The parts of a proof, read strictly: one JWS, one JSON object each, one public key.

    Raises:
        InvalidDpopProof: it is none.
    """
    try:
        parts = split(text)
        header = read_object(decode_segment(parts.header_text))
        claims = read_object(decode_segment(parts.payload_text))
        jwk = header.get("jwk")
        key = Key.from_jwk({**jwk, "kid": "proof"} if isinstance(jwk, dict) else None)
    except (Unauthorized, ValueError):
        raise InvalidDpopProof("the proof cannot be read: one JWT with one public jwk") from None
    return _Proof(header, claims, key, parts.signature, parts.signing_input)


def _check_type(proof: _Proof) -> None:
    if proof.header.get("typ") != "dpop+jwt":
        raise InvalidDpopProof("typ must be dpop+jwt")


def _check_algorithm(proof: _Proof) -> None:
    if proof.header.get("alg") not in ALGORITHMS or proof.key.alg != proof.header["alg"]:
        raise InvalidDpopProof(f"alg must be one of {' '.join(ALGORITHMS)}, and the key's")


def _check_header(proof: _Proof) -> None:
    if not proof.header.keys() <= {"typ", "alg", "jwk"}:
        raise InvalidDpopProof("the header holds more than typ, alg and jwk")


def _check_signature(proof: _Proof) -> None:
    if not proof.key.verify(proof.signature, proof.signing_input):
        raise InvalidDpopProof("the signature is wrong")


def _check_jti(proof: _Proof) -> None:
    jti = proof.claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise InvalidDpopProof("jti is missing or too long")


_CHECKS: tuple[Callable[[_Proof], None], ...] = (
    _check_type,
    _check_algorithm,
    _check_header,
    _check_signature,
    _check_jti,
)


def _check_token(claims: dict[str, Any], access_token: str) -> None:
    digest = encoded(hashlib.sha256(access_token.encode()).digest())
    ath = claims.get("ath")
    if not isinstance(ath, str) or not equal(ath, digest):
        raise InvalidDpopProof("ath is not the hash of this access token")


def _without_query(htu: str) -> str:
    """The address without query and fragment, scheme and host in lower case, the scheme's own port left out (§4.3)."""
    try:
        parts = urlsplit(htu)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "") if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    if port is not None and port != {"https": 443, "http": 80}.get(parts.scheme):
        host += f":{port}"
    return f"{parts.scheme}://{host}{parts.path}" if not parts.username and not parts.password else ""
