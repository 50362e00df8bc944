"""Does time tell whether an address has an account? Measured and reported; a busy machine is no reason to fail."""

from __future__ import annotations

import asyncio
import re
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from harness import PASSWORD, Harness, Person, Servers, running
from provider.applications import application
from provider.callers import MANAGE, bearer, service_token
from provider.people import member

Post = Callable[[str], Awaitable[Any]]


def _report(name: str, known: list[float], unknown: list[float]) -> str:
    """Medians, their difference, and the chance that a known address takes longer than an unknown one (AUC)."""
    known.sort()
    unknown.sort()
    above = sum(a > b for a in known for b in unknown) / (len(known) * len(unknown))
    medians = statistics.median(known), statistics.median(unknown)
    return (
        f"{name}: known {medians[0]:.3f} ms, unknown {medians[1]:.3f} ms, "
        f"difference {medians[0] - medians[1]:+.3f} ms, AUC {above:.3f} (n={len(known)} each)"
    )


async def _interleaved(
    app: Harness,
    path: str,
    body: dict[str, str],
    rounds: int,
    known_people: list[Person] | None = None,
    more: dict[str, str] | None = None,
) -> tuple[list[float], list[float]]:
    """Milliseconds for known and unknown addresses, in turn, each with a client and an account of its own."""
    people = known_people or [await app.make_user() for _ in range(20)]
    known: list[float] = []
    unknown: list[float] = []
    contents = set()
    for i in range(rounds):
        # No address is asked often enough to meet its limit.
        app.clock.advance(60 if i % 20 else 3600)
        stranger = f"u-{secrets.token_hex(6)}@example.com"
        for email, times in ((people[i % 20].email, known), (stranger, unknown)):
            headers = {"X-Forwarded-For": app.fresh_ip(), **(more or {})}
            started = time.perf_counter()
            reply = await app.http.post(path, json={"email": email, **body}, headers=headers)
            times.append((time.perf_counter() - started) * 1000)
            contents.add((reply.status_code, re.sub(rb"token=[^\"&]*", b"", reply.content)))
        await asyncio.sleep(0)
    assert len(contents) == 1, "the answers differ"
    return known[5:], unknown[5:]


@pytest.mark.slow
async def test_login_and_reset_take_the_same_time_for_known_and_unknown_addresses(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    async with running(servers) as app:
        for path, body in (("/auth/login", {"password": "wrong password"}), ("/auth/password-reset/request", {})):
            lines.append(_report(path, *await _interleaved(app, path, body, 400)))
    with capsys.disabled():
        print("", *lines, sep="\n")


@pytest.mark.slow
async def test_applications_learn_from_no_clock_who_has_an_account(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    async with running(servers, SIGNUP_HIDE_EXISTING="true") as app:
        made = await application(
            app,
            grant_types=["client_credentials", "authorization_code"],
            magic_link_url="https://reports.example.com/m",
            access_ttl=timedelta(days=365),
        )
        people = [await member(app, made) for _ in range(20)]
        header = bearer(await service_token(app, made))
        name = made.client.client_id
        for path, body in (
            ("/api/auth/login", {"password": "wrong password", "app_client_id": name}),
            ("/api/auth/request-password-reset", {}),
            ("/api/auth/signup", {"password": PASSWORD, "name": "Ada Lovelace", "client_id": name}),
            (f"{MANAGE}/api/apps/{made.client.number}/service/magic-link", {}),
        ):
            more = header if path.startswith(MANAGE) else None
            lines.append(_report(path, *await _interleaved(app, path, body, 200, people, more)))
    with capsys.disabled():
        print("", *lines, sep="\n")
