"""Requests that nobody would think of, made from the reference itself: never a 5xx, always an answer as described."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
import schemathesis
from browser import APP, Browser
from harness import Harness
from hypothesis import HealthCheck, Phase, given, seed, settings
from provider import people
from provider.applications import App, application
from provider.callers import MANAGE, administrator, bearer, member, number_of, service_token, user_token
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tenants import Tenant

# Hypothesis watches the module `random` while it makes a request; the server, in another thread, may use it meanwhile.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

CHECKS = [
    not_a_server_error,  # the first: a 501 is none of the server's faults, and has the others alone
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
STATES = ("anonymous", "user", "company-admin", "moderator", "superadmin")
BROWSER_STATES = ("nobody", "member", "admin", "other-tenants-admin", "cookie")
PROVIDER_STATES = ("platform-administrator", "application", "app-member", "stranger")
SPARED = {"/auth/logout-all", "/api/v1/auth/logout", "/api/auth/logout"}
"""Ends the session of the caller; asked by the anonymous only."""
BROWSER = "/api/v1/"
PROVIDER = ("/oauth/", "/api/", "/manage/", "/.well-known/o")


async def caller(app: Harness, state: str) -> tuple[dict[str, str], dict[str, str]]:
    """Headers of somebody in this state, and ids that mean something to them, by the names of path parameters."""
    target, company, unit = await app.signed_in(), uuid4(), uuid4()
    await app.join(target, company, "MEMBER")
    await app.join_unit(target, company, unit, "MEMBER")
    ids = {"id": str(target.id), "userId": str(target.id), "companyId": str(company), "businessUnitId": str(unit)}
    match state:
        case "anonymous":
            return {}, ids
        case "moderator" | "superadmin":
            who = await app.signed_in(global_role=f"PLATFORM_{state.upper()}")
        case _:
            who = await app.signed_in()
    if state == "company-admin":
        await app.join(who, company, "ADMIN")
    headers = {**who.bearer, "x-org": str(company)}
    if state == "superadmin":
        headers["X-Internal-API-Key"] = app.env["INTERNAL_API_KEY"]
    return headers, ids


async def visitor(app: Harness, state: str) -> tuple[dict[str, str], dict[str, str]]:
    """The same on the browser surface: headers of a page's script, ids of one tenant's people and things."""
    home, elsewhere = await Tenant(app).made(), await Tenant(app).made()
    target, group = await home.person("Read only"), await home.group("users:read")
    ids = {"user_id": str(target.id), "group_id": str(group.id), "id": str(uuid4())}
    browser = Browser(app)
    if state != "nobody":
        where = elsewhere if state == "other-tenants-admin" else home
        who = await where.person("Read only") if state == "member" else where.admin
        assert (await browser.login(who)).status_code == 200
        assert UUID(browser.me["tenant_id"]) == where.id
    if state == "cookie":
        browser.access_token = ""
    else:
        browser.cookie = ""
    browser.device = ""
    headers = browser._headers()
    del headers["X-Forwarded-For"]
    return {**headers, "Origin": APP}, ids


async def of_provider(app: Harness, state: str) -> tuple[dict[str, str], dict[str, str]]:
    """The same at the provider: an administrator's token, an application's own, or none; numbers of theirs."""
    made = await application(app, grant_types=["client_credentials", "authorization_code", "refresh_token"])
    target = await member(app, made, "user")
    ids = {"app_id": str(made.client.number), "uid": str(await number_of(app, target)), "client_id": "nobody"}
    if state == "platform-administrator":
        return (await administrator(app))[1], ids
    if state == "app-member":
        own = await people.public_app(app)
        reply = await people.log_in(app, own, (await people.member(app, own)).email)
        return bearer(reply.json()["access_token"]), ids
    if state == "application":
        await put_policy(app, made)
        return bearer(await service_token(app, made)), ids
    return {}, ids


async def put_policy(app: Harness, made: App) -> None:
    """The application has something to decide by; without it, the answer to every question is a 503."""
    admin = bearer(await user_token(app, await member(app, made, "admin"), made.client))
    of_reports = {"attr": "resource.type", "op": "eq", "value": "report"}
    rule = {"id": "reports", "effect": "allow", "actions": ["reports.*"], "when": of_reports}
    path, body = (
        f"{MANAGE}/api/apps/{made.client.number}/policy",
        {"rules": [rule], "mode": "enforce", "base_version": 0},
    )
    reply = await app.http.put(path, json=body, headers=admin)
    assert reply.status_code == 200, reply.text


def keep_cookie(headers: dict[str, str], line: str) -> None:
    """What a browser does with a cookie that an answer sets."""
    if "Cookie" in headers and (cookie := SimpleCookie(line).get("refresh_token")) and cookie.value:
        headers["Cookie"] = f"refresh_token={cookie.value}"


_made: dict[tuple[str, int], list[Any]] = {}
"""Requests of an operation, by its label and how many: the same for everybody, and longer in the making than on the
way."""


def cases(operation: Any, examples: int) -> list[Any]:
    """That many requests of an operation, always the same."""
    key = (operation.label, examples)
    if key not in _made:
        found = _made[key] = []

        @seed(20261122)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def make(case: Any) -> None:
            found.append(case)

        make()
    return _made[key]


def fuzz(document: dict[str, Any], base_url: str, headers: dict[str, str], ids: dict[str, str], examples: int) -> int:
    """Ask every operation; returns how many requests were sent.

    Raises:
        Exception: an answer that is none, or is not as described.
    """
    schema = schemathesis.openapi.from_dict(document)
    asked = 0
    choices = random.Random(1)
    with requests.Session() as session:
        session.trust_env = False  # a fifth of every request went into looking for a proxy in the environment
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a cookie is in `headers` or nowhere
        for operation in (found.ok() for found in schema.get_all_operations()):
            if {"Authorization", "Cookie"} & headers.keys() and operation.path in SPARED:
                continue
            for case in cases(operation, examples):
                asked += 1
                strange = case.path_parameters
                known = {name: ids[name] for name in strange or {} if name in ids}
                if known and choices.random() < 0.6:
                    case.path_parameters = {**strange, **known}
                # A page's script declares JSON even where it sends nothing: a cookie route takes nothing else.
                bare = "requestBody" not in document["paths"][operation.path][operation.method]
                kind = {"Content-Type": "application/json"} if "Origin" in headers and bare else {}
                address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
                sent = {**headers, **kind, "X-Forwarded-For": address}
                started = time.monotonic()
                response = case.call(base_url=base_url, session=session, headers=sent)
                assert time.monotonic() - started < 10
                for line in response.headers.get("set-cookie", []):
                    keep_cookie(headers, line)
                case.validate_response(response, checks=CHECKS[response.status_code == 501 :])
                case.path_parameters = strange
    return asked


def surface_of(path: str) -> str:
    """Which of the three groups of states asks this path."""
    return "browser" if path.startswith(BROWSER) else "provider" if path.startswith(PROVIDER) else "platform"


async def _run(app: Harness, state: str, examples: int) -> int:
    document = (await app.http.get("/openapi.json")).json()
    prepare, surface = next(
        (prepare, surface)
        for states, prepare, surface in (
            (BROWSER_STATES, visitor, "browser"),
            (PROVIDER_STATES, of_provider, "provider"),
            (STATES, caller, "platform"),
        )
        if state in states
    )
    document["paths"] = {path: row for path, row in document["paths"].items() if surface_of(path) == surface}
    headers, ids = await prepare(app, state)
    asked = await asyncio.to_thread(fuzz, document, app.base_url, headers, ids, examples)
    if surface == "provider" and state != "app-member":
        return asked  # an application has no session, and an administrator's is elevated for minutes only
    await _still_signed_in(app, headers)
    return asked


async def _still_signed_in(app: Harness, headers: dict[str, str]) -> None:
    """Whoever was signed in still is: what was asked was asked as them, to the end."""
    if headers.get("Cookie"):
        reply = await app.http.post("/api/v1/auth/refresh", headers={**headers, "Content-Type": "application/json"})
    elif "Authorization" in headers:
        paths = ("/auth/me", "/api/v1/auth/me", "/api/profile")
        own = {"Authorization": headers["Authorization"]}
        replies = [await app.http.get(path, headers=own) for path in paths]
        reply = next((found for found in replies if found.status_code == 200), replies[0])
    else:
        return
    assert reply.status_code == 200, reply.text


@pytest.mark.timeout(600)  # whoever comes first makes the requests of all
@pytest.mark.parametrize("state", [*STATES, *BROWSER_STATES, *PROVIDER_STATES])
async def test_no_request_breaks_the_server_or_the_reference(app: Harness, state: str) -> None:
    examples, least = (12, 200) if state in STATES else (3, 120) if state in BROWSER_STATES else (2, 100)
    assert await _run(app, state, examples) > least


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("state", [*STATES, *BROWSER_STATES, *PROVIDER_STATES])
async def test_a_hundred_thousand_requests_break_nothing(app: Harness, state: str) -> None:
    """All states together: 180,000. A surface has the more operations the fewer examples of each make its share."""
    examples, least = (500, 14_000) if state in STATES else (225, 14_000) if state in BROWSER_STATES else (120, 10_000)
    assert await _run(app, state, examples) > least
