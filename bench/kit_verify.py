"""What verifying a token costs beside other libraries: `python -m bench.kit_verify [--json]`, in µs.

Beside the bare RSA-2048 verification of `cryptography`, which is the limit, and beside libraries that are installed.
`in_an_environment_of_its_own` runs it where all of them are, each in its newest version: they are in no lock file of
this project. Every library gets its key ready-made. The variants take turns and the best round of each counts, so that
a busy neighbour spoils none of them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from identry_kit.jwtauth import Key, StaticKeys, Verifier
from identry_kit.jwtauth.compact import split
from identry_kit.testing import Issuer

ROOT = Path(__file__).parents[1]
RAW, COLD, SEEN = "raw RSA-2048 verify (cryptography)", "identry-kit, cold", "identry-kit, seen"
DISTRIBUTIONS = ("PyJWT", "joserfc", "Authlib", "python-jose[cryptography]")

ROUNDS = 150
TOKENS = 50
issuer = Issuer()
KEYS = StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)])


def verifier(**options: Any) -> Verifier:
    return Verifier(KEYS, issuer=issuer.issuer, audience=issuer.audience, clock=issuer.clock, **options)


def _raw() -> Callable[[str], object]:
    public: Any = load_pem_public_key(issuer.key.public_pem.encode())
    cut = {token: split(token) for token in tokens}
    scheme, digest = PKCS1v15(), SHA256()

    def verify(token: str) -> object:
        parts = cut[token]
        return public.verify(parts.signature, parts.signing_input, scheme, digest)

    return verify


def _pyjwt(module: Any) -> Callable[[str], object]:
    key = module.PyJWK(issuer.key.jwk).key
    return lambda token: module.decode(token, key, algorithms=["RS256"], audience=issuer.audience, issuer=issuer.issuer)


def _joserfc(module: Any) -> Callable[[str], object]:
    from joserfc.jwk import RSAKey

    key = RSAKey.import_key(dict[str, str | list[str]](issuer.key.jwk))
    names = {name: {"essential": True, "value": value} for name, value in _names().items()}
    registry = module.JWTClaimsRegistry(now=int(issuer.clock()), **names)

    def verify(token: str) -> object:
        found = module.decode(token, key, algorithms=["RS256"])
        registry.validate(found.claims)
        return found

    return verify


def _authlib(module: Any) -> Callable[[str], object]:
    key = importlib.import_module("authlib.jose").JsonWebKey.import_key(issuer.key.jwk)
    jwt = module.JsonWebToken(["RS256"])
    options = {name: {"essential": True, "value": value} for name, value in _names().items()}

    def verify(token: str) -> object:
        claims = jwt.decode(token, key, claims_options=options)
        claims.validate(now=int(issuer.clock()))
        return claims

    return verify


def _python_jose(module: Any) -> Callable[[str], object]:
    key = importlib.import_module("jose.jwk").construct(issuer.key.jwk, "RS256")
    options = {"audience": issuer.audience, "issuer": issuer.issuer}
    return lambda token: module.decode(token, key, algorithms=["RS256"], **options)


def _names() -> dict[str, str]:
    return {"iss": issuer.issuer, "aud": issuer.audience}


OTHERS: dict[str, tuple[str, Callable[[Any], Callable[[str], object]]]] = {
    "PyJWT": ("jwt", _pyjwt),
    "joserfc": ("joserfc.jwt", _joserfc),
    "Authlib": ("authlib.jose", _authlib),
    "python-jose": ("jose.jwt", _python_jose),
}
tokens = [issuer.mint() for _ in range(TOKENS)]


def verification() -> dict[str, float]:
    """µs per token of each way to verify one."""
    warm = verifier()
    for token in tokens:
        warm.verify_now(token)
    ways: dict[str, Callable[[str], object]] = {
        RAW: _raw(),
        COLD: verifier(cache_size=0).verify_now,
        SEEN: warm.verify_now,
    }
    for name, (module, make) in OTHERS.items():
        try:
            ways[name] = make(importlib.import_module(module))
        except ImportError:
            continue
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, verify in ways.items():
            start = perf_counter()
            for token in tokens:
                verify(token)
            best[name] = min(best[name], (perf_counter() - start) / TOKENS * 1e6)
    return best


def in_an_environment_of_its_own() -> dict[str, float]:
    """`verification` in a new environment with every library, gone afterwards; here, with what is here, if that fails.

    Needs a package index; pip's settings say which.
    """
    with tempfile.TemporaryDirectory(prefix="identry-bench-") as folder:
        venv.create(folder, symlinks=True)
        python = str(Path(folder, "bin", "python"))
        # The same cryptography as here: it is the limit, and most of every figure.
        wanted = [f"cryptography=={version('cryptography')}", "httpx2", *DISTRIBUTIONS]
        install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
        environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kit' / 'src'}"}
        try:
            subprocess.run([*install, *wanted], check=True, capture_output=True)
            measured = [python, "-m", "bench.kit_verify", "--json"]
            done = subprocess.run(measured, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
        except subprocess.CalledProcessError:
            return verification()
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    if parser.parse_args().json:
        print(json.dumps(verification()))
        return
    verified = verification()
    for name, micros in verified.items():
        print(f"{micros:7.2f}  {micros / verified[RAW]:5.2f}x  {name}")


if __name__ == "__main__":
    main()
