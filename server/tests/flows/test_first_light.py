"""The shortest way through the house: sign in, ask who I am, refresh, leave."""

from __future__ import annotations

from harness import Harness, Servers, running


async def test_a_password_becomes_a_session_that_refreshes_and_ends(app: Harness) -> None:
    person = await app.signed_in(full_name="Ada Lovelace")
    me = await app.http.get("/auth/me", headers=person.bearer)
    assert me.status_code == 200, me.text
    assert me.json()["data"]["fullName"] == "Ada Lovelace"

    refreshed = await app.http.post("/auth/refresh", json={"refreshToken": person.refresh_token})
    assert refreshed.status_code == 200, refreshed.text
    token = refreshed.json()["data"]["refreshToken"]
    assert token != person.refresh_token

    out = await app.http.post("/auth/logout", json={"refreshToken": token})
    assert out.json() == {"success": True, "data": {"loggedOut": True}}
    me = await app.http.get("/auth/me", headers=person.bearer)
    assert me.status_code == 401
    assert me.json()["error"]["code"] == "session_revoked"


async def test_without_its_finance_database_the_server_starts_and_ready_tells(servers: Servers) -> None:
    async with running(servers, FINANCE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/finance") as app:
        person = await app.signed_in()
        assert (await app.http.get("/auth/me", headers=person.bearer)).status_code == 200
        ready = await app.http.get("/ready")
        assert ready.status_code == 503
        checks = ready.json()["error"]["details"]["checks"]
        assert (checks["postgres"], checks["redis"]) == ("ok", "ok")
        assert checks["finance"] not in {"ok", "not_configured"}
