"""Keys are rotated while clients get tokens and services verify them: nobody notices (docs/security.md, F12)."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from harness import Harness
from joserfc import jws
from provider.relying_party import RelyingParty, visitor

from identry_kit.jwtauth import InvalidToken, JWKSCache, Verifier


class Load:
    """A service that asks for tokens, three on the kit that verify them, and the server that is asked about them.

    Attributes:
        failures: what was refused, by whom.
        kids: how many tokens were seen of each key.
    """

    def __init__(self, app: Harness, party: RelyingParty, refresh_token: str) -> None:
        self.app = app
        self.party = party
        self.failures: list[str] = []
        self.kids: Counter[str] = Counter()
        self._refresh_token = refresh_token
        self._caches = [JWKSCache(f"{app.base_url}/.well-known/jwks.json", clock=app.clock.timestamp) for _ in range(3)]
        told = {
            "issuer": app.env["OAUTH_ISSUER"],
            "audience": party.client_id,
            "algorithms": ("RS256", "ES256"),
            "clock": app.clock.timestamp,
        }
        self._verifiers = [Verifier(keys, **told) for keys in self._caches]
        self._tokens: list[str] = []

    async def turn(self) -> None:
        """New tokens of both kinds; they, and some from before, are verified by everybody."""
        fresh = await self.party.ask("token_endpoint", {"grant_type": "client_credentials"})
        grant = await self.party.refresh(self._refresh_token)
        for reply in (fresh, grant):
            if reply.status_code != 200:
                self.failures.append(f"token endpoint: {reply.status_code} {reply.text}")
                return
        self._refresh_token = grant.json()["refresh_token"]
        self._tokens = [*self._tokens, fresh.json()["access_token"], grant.json()["access_token"]][-6:]
        await asyncio.gather(*(self._verified(token) for token in self._tokens))

    async def _verified(self, token: str) -> None:
        self.kids[str(jws.extract_compact(token.encode()).headers()["kid"])] += 1
        for number, verifier in enumerate(self._verifiers):
            try:
                await verifier.verify(token)
            except InvalidToken as error:
                self.failures.append(f"verifier {number}: {error}")
        told = await self.party.ask("introspection_endpoint", {"token": token})
        if told.json().get("active") is not True:
            self.failures.append(f"introspection: {told.status_code} {told.text}")

    async def close(self) -> None:
        """Close what the verifiers hold."""
        for cache in self._caches:
            await cache.aclose()


@pytest.mark.parametrize(
    ("rotations", "turns"),
    [(1, 2), pytest.param(3, 40, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
async def test_no_token_fails_while_keys_are_rotated(app: Harness, rotations: int, turns: int) -> None:
    engines = app.app.engines
    party = await RelyingParty.at(app, grant_types=["authorization_code", "refresh_token", "client_credentials"])
    tokens = await party.sign_in(await visitor(app), scope="openid offline_access")
    load = Load(app, party, tokens.refresh_token)
    made = []
    try:
        for number in range(rotations):
            await load.turn()
            made.append(await engines.keys.rotate(algorithm="ES256" if number % 2 else "RS256"))
            await engines.ring.load()  # every process does so all ten seconds
            lead = made[-1].activate_at - app.clock.now()
            for _ in range(turns):
                await load.turn()
                app.clock.advance(lead / turns)
            for _ in range(turns):
                await load.turn()
                app.clock.advance(timedelta(seconds=20))
    finally:
        await load.close()
        await app.db.execute("DELETE FROM signing_keys WHERE kid = ANY($1)", [key.kid for key in made])
        app.clock.reset()
        await engines.ring.load()
    assert load.failures == []
    assert {key.kid for key in made} < set(load.kids), "tokens of every key were about"
