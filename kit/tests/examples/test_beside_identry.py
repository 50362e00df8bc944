"""The example services beside the real identity server: signed in there, known here; signed out there, refused here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import Harness

from identry_kit.apierror import ServiceUnavailable


async def test_a_session_of_identry_is_good_here_until_it_ends_there(beside_identry: Any, identry: Harness) -> None:
    service, person = beside_identry, await identry.signed_in()
    me = await service("GET", "/api/me", person.access_token)
    assert (me.status_code, me.json()["sub"]) == (200, str(person.id)), me.text
    made = await service("POST", "/api/orders", person.access_token, json={"item": "Kite", "cents": 900})
    assert made.status_code == 201
    # Identry's tokens name no plan: the caller has the lowest one.
    assert (await service("POST", "/api/ai/narrate/1", person.access_token)).status_code == 403
    assert (await service("GET", "/api/me", person.refresh_token)).status_code == 401

    tokens = {"refreshToken": person.refresh_token}
    assert (await identry.http.post("/auth/logout", headers=person.bearer, json=tokens)).status_code == 200
    refused = await service("GET", "/api/me", person.access_token)
    assert (refused.status_code, refused.json()["error"]["message"]) == (401, "token revoked")


async def test_an_account_that_is_switched_off_is_refused(beside_identry: Any, identry: Harness) -> None:
    service, person = beside_identry, await identry.signed_in()
    assert (await service("GET", "/api/me", person.access_token)).status_code == 200
    await identry.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)
    assert (await service("GET", "/api/me", person.access_token)).status_code == 401


async def test_documentation_is_served_where_it_was_asked_for(beside_identry: Any, both: dict[str, Any]) -> None:
    for service, document in ((beside_identry, "/openapi.json"), (both["litestar"], "/docs/openapi.json")):
        assert (await service("GET", "/docs")).status_code == 200
        described = (await service("GET", document)).json()
        assert described["paths"]["/api/me"]["get"]["security"]
    assert (await both["fastapi"]("GET", "/docs")).status_code == 401
    assert "content-security-policy" in (await both["fastapi"]("GET", "/healthz")).headers


async def test_when_sessions_cannot_be_asked_for_nobody_is_called_signed_out(sessions: Any) -> None:
    asked = sessions("http://127.0.0.1:1")
    with pytest.raises(ServiceUnavailable):
        await asked("token", None)
    await asked.aclose()


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "examples")
    from orders.parts import Sessions

    return Sessions
