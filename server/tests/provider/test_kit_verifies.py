"""A service on the kit takes the provider's tokens as they are: who is calling, as what, for which tenant."""

from __future__ import annotations

from uuid import UUID

import pytest
from harness import Harness
from provider.applications import application, claims_of
from provider.grants import ask, granted

from identry.core.ids import uuid7
from identry_kit.jwtauth import InvalidToken, JWKSCache, Verifier, caller_of


async def test_callers_come_out_right_for_users_and_services(app: Harness) -> None:
    person, company, api = await app.make_user(), uuid7(app.clock), "https://api.example.com"
    await app.join(person, company, "MANAGER")
    for token_format in ("jwt", "at+jwt"):
        made = await application(app, audiences=[api], profile_claims=True, token_format=token_format)
        service = await application(app, audiences=[api], grant_types=["client_credentials"], token_format=token_format)
        await app.db.execute(
            """
            INSERT INTO app_members (client_id, user_id, role, created_at, updated_at)
            VALUES ($1, $2, 'editor', $3, $3)
            """,
            made.client.id,
            person.id,
            app.clock.now(),
        )
        keys = JWKSCache(f"{app.base_url}/.well-known/jwks.json", clock=app.clock.timestamp)
        verifier = Verifier(keys, issuer=app.env["OAUTH_ISSUER"], audience=api, clock=app.clock.timestamp)
        try:
            tokens = await granted(app, person, made)
            caller = caller_of(await verifier.verify(tokens["access_token"]))
            assert (caller.sub, caller.user_id) == (claims_of(tokens["access_token"])["sub"], person.id)
            assert (caller.role, caller.app_roles[made.client.client_id]) == ("editor", "editor")
            assert (caller.tenant_id, caller.plan) == (company, app.app.engines.default_plan)
            assert (caller.email, caller.name, caller.token_version) == (person.email, "Test Person", 1)
            assert (caller.amr, caller.audiences) == (("pwd",), (made.client.client_id, api))
            assert caller.scopes == {"openid", "email", "profile", "offline_access", "api"}
            token = (await ask(app, service, "client_credentials")).json()["access_token"]
            machine = caller_of(await verifier.verify(token))
            assert (machine.sub, machine.role, machine.tenant_id) == (f"app:{service.client.number}", "", None)
            assert isinstance(machine.user_id, UUID)
            for other in (tokens["id_token"], tokens["refresh_token"], (await app.sign_in(person)).access_token):
                with pytest.raises(InvalidToken):
                    await verifier.verify(other)
        finally:
            await keys.aclose()
