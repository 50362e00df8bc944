"""contracts/kit.md §4.1: which published keys are used, and that a bad one does not spoil the others (SECURITY §2
row 9).
"""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from identry_kit.jwtauth import JWKSCache, Key


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"kty": "EC"}, "kty or crv"),
        ({"kty": "oct", "k": "AAAA"}, "symmetric"),
        ({"kty": ...}, "kty or crv"),
        ({"use": "enc"}, "not a signature key"),
        ({"key_ops": ["sign"]}, "not a signature key"),
        ({"key_ops": "verify"}, "not a signature key"),
        ({"alg": "RS384"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"alg": None}, "alg"),
        ({"kid": ...}, "kid"),
        ({"kid": ""}, "kid"),
        ({"kid": 7}, "kid"),
        ({"kid": "k" * 129}, "kid"),
        ({"d": "AQAB"}, "private"),
        ({"n": ...}, "n"),
        ({"n": 7}, "n"),
        ({"n": ""}, "n"),
        ({"n": "é"}, "n"),
        ({"n": "AQ AB"}, "n"),
        ({"n": "AQAB+/"}, "n"),
        ({"n": "A"}, "n"),
        ({"n": "AQAB"}, ""),
        ({"n": "f" * 4000}, "large"),
        ({"n": "f" * 5000}, "n"),
        ({"e": "AQ"}, ""),
        ({"e": "Ag"}, ""),
        ({"e": "AQAAAAE"}, "large"),
        ({"e": ...}, "e"),
    ],
)
async def test_a_bad_key_is_skipped_with_a_warning_and_the_good_ones_work(
    cache: JWKSCache, issuer: Any, signer: Any, caplog: pytest.LogCaptureFixture, bad: dict[str, Any], why: str
) -> None:
    issuer.keys = [signer.jwk(signer.other_rsa, "bad", **bad), None, [], "text", signer.jwk(signer.rsa, "good")]
    assert await cache.get("good")
    assert await cache.get("bad") is None
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 4
    assert why in warnings[0]


async def test_of_two_keys_under_one_kid_the_first_counts(
    cache: JWKSCache, issuer: Any, signer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    unmarked = signer.jwk(signer.rsa, "k", alg=..., use=...)
    issuer.keys = [signer.jwk(signer.rsa, "k"), signer.jwk(signer.other_rsa, "k"), unmarked]
    assert await cache.get("k") == Key.of(signer.rsa.public_key(), "k")
    assert caplog.text.count("its kid is taken") == 1


@pytest.mark.parametrize("exponent", [3, 65537, (1 << 31) - 1])
def test_odd_exponents_up_to_the_limit_are_good(signer: Any, exponent: int) -> None:
    number = b64(exponent.to_bytes((exponent.bit_length() + 7) // 8))
    private = rsa.generate_private_key(65537, 2048)
    jwk = signer.jwk(private, "k", e=number)
    assert Key.from_jwk(jwk).alg == "RS256"
