"""What a service's tests can say with `identry_kit.testing`: any caller, any moment, any bad day of the issuer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest

from identry_kit.apierror import Forbidden
from identry_kit.testing import Issuer, MovableClock
from notes import may_delete


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_strangers_are_refused_and_told_how_to_come_in(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/notes/1")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_only_the_author_reads_a_note(http: httpx2.AsyncClient, identry_mint: Callable[..., str]) -> None:
    ada, bob = identry_mint(sub="ada", scope="notes:write"), identry_mint(sub="bob")
    made = await http.post("/notes", params={"text": "hello"}, headers=bearer(ada))
    path = f"/notes/{made.json()['id']}"
    assert (await http.get(path, headers=bearer(ada))).json() == {"text": "hello"}
    assert (await http.get(path, headers=bearer(bob))).status_code == 404


async def test_reading_is_not_writing(http: httpx2.AsyncClient, identry_mint: Callable[..., str]) -> None:
    answer = await http.post("/notes", params={"text": "x"}, headers=bearer(identry_mint(scope="notes:read")))
    assert answer.status_code == 403
    assert 'scope="notes:write"' in answer.headers["www-authenticate"]


async def test_a_token_ends(
    http: httpx2.AsyncClient, identry_mint: Callable[..., str], identry_clock: MovableClock
) -> None:
    token = identry_mint(scope="notes:write")  # good for 15 minutes
    assert (await http.post("/notes", params={"text": "x"}, headers=bearer(token))).status_code == 201
    identry_clock.advance(17 * 60)  # and a minute of leeway
    assert (await http.post("/notes", params={"text": "x"}, headers=bearer(token))).status_code == 401


@pytest.mark.parametrize("claims", [{"aud": "another-app"}, {"iss": "https://evil.example"}, {"type": "refresh"}])
async def test_tokens_for_somebody_else_are_refused(
    http: httpx2.AsyncClient, identry_mint: Callable[..., str], claims: dict[str, Any]
) -> None:
    assert (await http.get("/notes/1", headers=bearer(identry_mint(**claims)))).status_code == 401


async def test_the_service_outlives_its_issuer(
    http: httpx2.AsyncClient, identry_issuer: Issuer, identry_clock: MovableClock
) -> None:
    assert (await http.get("/notes/1", headers=bearer(identry_issuer.mint()))).status_code == 404
    identry_issuer.recipe = "down"
    identry_clock.advance(6 * 3600)
    assert (await http.get("/notes/1", headers=bearer(identry_issuer.mint()))).status_code == 404


async def test_without_any_keys_it_says_503_and_never_401(http: httpx2.AsyncClient, identry_issuer: Issuer) -> None:
    identry_issuer.recipe = "error"
    assert (await http.get("/notes/1", headers=bearer(identry_issuer.mint()))).status_code == 503


async def test_new_keys_are_found(
    http: httpx2.AsyncClient, identry_issuer: Issuer, identry_clock: MovableClock
) -> None:
    assert (await http.get("/notes/1", headers=bearer(identry_issuer.mint()))).status_code == 404
    identry_issuer.rotate()
    identry_clock.advance(16)  # an unknown key causes at most one fetch in 15 seconds
    assert (await http.get("/notes/1", headers=bearer(identry_issuer.mint()))).status_code == 404


def test_rules_below_the_web_need_no_token(
    identry_acting_as: Callable[..., AbstractContextManager[Any]],
) -> None:
    with identry_acting_as(sub="ada"):
        may_delete("ada")
        with pytest.raises(Forbidden):
            may_delete("bob")
    with identry_acting_as(sub="carl", role="admin"):
        may_delete("bob")
