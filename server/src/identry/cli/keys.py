"""`identry keys generate|list|rotate|retire`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from identry.cli.one_off import database_of, one_off, quiet_settings, running_here
from identry.cli.terminal import say
from identry.core import jose
from identry.core.clock import SystemClock
from identry.core.secrets import root_secret
from identry.flows.rotate_keys.service import SigningKeys
from identry.records.keys import KeySchedule
from identry.settings import Settings, load_for_serving

_DATE = "%Y-%m-%d %H:%M"


def generate(algorithm: str, bits: int) -> int:
    """Print a new private key as PEM, for JWT_SIGNING_KEY_PEM."""
    key = jose.generate_rsa(bits) if algorithm == "RS256" else jose.generate(cast("jose.Algorithm", algorithm))
    say(key.private_pem().strip())
    return 0


def show() -> int:
    """Print every key with its state."""

    async def run(service: SigningKeys, kid: str) -> None:
        for status in await service.list(kid):
            key = status.key
            retire = f", leaves {key.retire_at:{_DATE}}" if key.retire_at else ""
            mine = "" if status.usable else ", private half not readable here"
            say(f"{key.kid}  {key.algorithm}  {status.state.value}  signs from {key.activate_at:{_DATE}}{retire}{mine}")

    return _with_keys(run)


def rotate(algorithm: str, *, now: bool) -> int:
    """Make a new signing key: published at once, signing once every verifier has had time to see it."""

    async def run(service: SigningKeys, _kid: str) -> None:
        key = await service.rotate(now=now, algorithm=cast("jose.Algorithm", algorithm))
        say(f"{key.kid} is published and signs from {key.activate_at:{_DATE}} UTC")

    return _with_keys(run)


def retire(kid: str, *, now: bool) -> int:
    """Let a key leave the JWKS when its last token has expired; with `now` withdraw it for good."""

    async def run(service: SigningKeys, _kid: str) -> None:
        successor = await service.retire(kid, now=now)
        say(f"{kid} is withdrawn" if now else f"{kid} leaves once its last token has expired")
        if successor is not None:
            say(f"{successor.kid} signs in its place")

    return _with_keys(run)


def _with_keys(run: Callable[[SigningKeys, str], Awaitable[None]]) -> int:
    async def job(settings: Settings) -> int:
        root = root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal())
        schedule = KeySchedule.of(settings.longest_access_token)
        async with database_of(settings) as db:
            await run(SigningKeys(db, SystemClock(), root.sealer("signing-keys"), schedule), settings.jwt_kid)
        return 0

    return one_off(job, settings=_settings)


def _settings() -> Settings:
    settings = quiet_settings()
    return (None if settings.database_url else running_here(settings)) or load_for_serving()
