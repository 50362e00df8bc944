"""Codes that are redeemed at once go to PostgreSQL together: each gets its own grant, whatever befalls another."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from harness import Harness, Person
from provider.applications import App, application
from provider.authorization import CALLBACK
from provider.browsers import Browser
from provider.grants import REDIRECT, VERIFIER, code_for

from identry.core.origin import Origin
from identry.flows.connected_apps.service import ConnectedApps
from identry.oauth.codes import Redeeming
from identry.oauth.grants import Opened
from identry.records import consents, users


class Counting:
    """The database, with every statement counted."""

    def __init__(self, app: Harness) -> None:
        self._db = app.db
        self.statements = 0

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        self.statements += 1
        return await self._db.fetch(sql, *args)


class Crowd:
    """Clients that come with their codes in one turn of the event loop."""

    def __init__(self, app: Harness) -> None:
        provider = app.app.engines.provider
        assert provider is not None
        self.db = Counting(app)
        self._redeeming = Redeeming(self.db, app.app.engines.audit, provider.grants)  # type: ignore[arg-type]  # fetches only

    def redeem(self, made: App, code: str, name: str = "", **changes: str) -> Any:
        """One of them; `name` is its request."""
        asked: dict[str, Any] = {"redirect_uri": REDIRECT, "code_verifier": VERIFIER, "jkt": None, **changes}
        return self._redeeming(made.client, code, Origin(f"192.0.2.{name}", f"agent {name}", f"r-{name}"), **asked)


async def test_each_of_a_crowd_gets_its_own_grant_in_one_statement(app: Harness) -> None:
    web, public = await application(app), await application(app, auth_method="none")
    crowd, people = Crowd(app), [await app.signed_in() for _ in range(4)]
    given = [
        (
            made,
            person,
            await code_for(app, person, made, browser_session_id=person.session_id, scopes=["openid", scope]),
        )
        for person in people
        for made, scope in ((web, "api"), (public, "email"))
    ]
    found = await asyncio.gather(
        *(crowd.redeem(made, code, str(n), jkt="a-key") for n, (made, _, code) in enumerate(given))
    )
    assert crowd.db.statements == 1
    for n, ((made, person, _), opened) in enumerate(zip(given, found, strict=True)):
        assert isinstance(opened, Opened)
        row = await app.db.fetchrow("SELECT * FROM sessions WHERE id = $1", opened.grant.session_id)
        assert (row["user_id"], row["browser_session_id"]) == (person.id, UUID(str(person.session_id)))
        assert (row["client_id"], row["scopes"]) == (made.client.id, list(opened.grant.scopes))
        assert (row["ip"], row["user_agent"]) == (f"192.0.2.{n}", f"agent {n}")
        assert row["dpop_jkt"] == ("a-key" if made is public else None), "another client proves itself at each refresh"
        assert (opened.user_id, opened.nonce, opened.grant.amr) == (person.id, "n-0S6_WzA2Mj", ("pwd",))
        [event] = await app.audit("oauth.grant.opened", session_id=opened.grant.session_id)
        assert (event["actor_user_id"], event["target_user_id"]) == (person.id, person.id)
        assert (event["actor_type"], event["outcome"], event["request_id"]) == ("user", "success", f"r-{n}")
        assert json.loads(event["details"]) == {
            "client": made.client.client_id,
            "via": "authorization_code",
            "scopes": list(opened.grant.scopes),
            "amr": ["pwd"],
        }


async def test_what_is_worth_nothing_spoils_nothing_for_the_others(app: Harness) -> None:
    made, other, crowd = await application(app), await application(app), Crowd(app)

    async def code(**values: Any) -> tuple[Person, str]:
        person = await app.make_user()
        return person, await code_for(app, person, made, **values)

    gone, for_gone = await code()
    await users.update(app.db, gone.id, {"is_active": False}, now=app.clock.now())
    (_, good), (_, elsewhere), (_, plain) = await code(), await code(), await code(code_challenge=None)
    bound = (await code(dpop_jkt="a-key"))[1]
    wrong = [(await code())[1] for _ in range(5)]
    found = await asyncio.gather(
        crowd.redeem(made, for_gone),
        crowd.redeem(other, elsewhere),
        crowd.redeem(made, plain),  # it was made without a challenge: a verifier is a downgrade
        crowd.redeem(made, bound, jkt="another"),
        crowd.redeem(made, wrong[0], redirect_uri=CALLBACK + "\x00"),
        crowd.redeem(made, wrong[1], redirect_uri="\ud800"),
        crowd.redeem(made, wrong[2], code_verifier="\x00" * 43),
        crowd.redeem(made, wrong[3], code_verifier=""),
        crowd.redeem(made, wrong[4], redirect_uri=""),
        crowd.redeem(made, "unknown"),
        crowd.redeem(made, good),
    )
    assert crowd.db.statements == 1
    assert [opened is not None for opened in found] == [False] * 10 + [True]
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE client_id = $1", made.client.id) == 1
    for code_of_a_try in (for_gone, plain, bound, *wrong):
        assert await crowd.redeem(made, code_of_a_try, code_verifier="") is None, "it was used up"
    assert await crowd.redeem(made, elsewhere) is not None, "whose code it is not has done it no harm"


async def test_access_taken_back_while_codes_are_redeemed_leaves_no_grant_behind(app: Harness) -> None:
    """Either the code was void, or its grant is found; and neither is refused because it waited for the other."""
    made, person, crowd = await application(app), await app.signed_in(), Crowd(app)
    engines = app.app.engines
    connected = ConnectedApps(app.db, app.clock, engines.audit, engines.marks)
    for _ in range(5):
        await consents.grant(app.db, person.id, made.client.id, ["openid"], app.clock.now())
        found = [await code_for(app, person, made) for _ in range(6)]
        redeeming = [crowd.redeem(made, code) for code in found]
        revoking = connected.revoke(made.client.id, person.id, person.session_id, Origin("192.0.2.1", "test", None))
        await asyncio.gather(*redeeming[:3], revoking, *redeeming[3:])
        alive = "SELECT count(*) FROM sessions WHERE client_id = $1 AND revoked_at IS NULL"
        assert await app.db.fetchval(alive, made.client.id) == 0


async def test_codes_redeemed_while_their_person_signs_in_again_become_grants_of_the_new_session(app: Harness) -> None:
    made, person, crowd = await application(app), await app.make_user(), Crowd(app)
    provider, browser = app.app.engines.provider, await Browser(app).sign_in(person)
    assert provider is not None
    for _ in range(3):
        found = [await code_for(app, person, made, browser_session_id=browser.session_id) for _ in range(6)]
        former = browser.cookies["__Host-identry_session"]
        await browser.sign_in(person)

        async def settle(cookie: str = former) -> None:
            async with app.db.transaction() as tx:
                await provider.pages.sessions.succeed(tx, cookie, browser.session_id, person.id)

        redeeming = [crowd.redeem(made, code) for code in found]
        opened = await asyncio.gather(*redeeming[:3], settle(), *redeeming[3:])
        ids = [one.grant.session_id for one in opened if one is not None]
        assert len(ids) == len(found)
        rows = await app.db.fetch("SELECT browser_session_id, revoked_at FROM sessions WHERE id = ANY($1)", ids)
        assert {tuple(row) for row in rows} == {(browser.session_id, None)}
