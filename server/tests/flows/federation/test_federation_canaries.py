"""Nothing that opens something on the way through a provider is in a log line or an audit row, well or badly ended."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import structlog
from browser import settle
from federation import Federation, Window, federation, guid, someone
from harness import Servers
from services.entra import CLIENT_SECRET

from identry.core import observability
from identry_kit import context


async def one_way(there: Federation, window: Window, tid: str) -> list[str]:
    """Through the provider; returns every secret that was seen."""
    there.entra.who = someone(tid)
    url = await window.leave()
    asked = dict(parse_qsl(urlsplit(url).query))
    back = await window.prove(url)
    bindings = list(window.cookies.values())
    told = await window.come_back(back)
    await window.exchange(told.get("code", "x"))
    return [
        asked["state"],
        asked["nonce"],
        dict(parse_qsl(urlsplit(back).query)).get("code", ""),
        *(form["code_verifier"] for form in there.entra.forms),
        *there.entra.issued,
        *bindings,
        *window.cookies.values(),
        told.get("code", ""),
        window.access_token,
    ]


async def test_no_secret_reaches_a_log_line_or_an_audit_row(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    observability.configure(level="DEBUG", request_id=context.request_id)
    seen: list[str] = [CLIENT_SECRET, quote(CLIENT_SECRET)]
    async with federation(servers, LOG_LEVEL="DEBUG") as there:
        await there.tenant(tid := guid())
        seen += await one_way(there, Window(there), tid)
        for lie in ({"nonce": "other"}, {"aud": "other"}, {"exp": 1}):
            there.entra.claims = lie
            seen += await one_way(there, Window(there), tid)
        there.entra.truthful()
        for answer in (
            b"not json",
            json.dumps({"error": "invalid_grant", "error_description": "canary-text"}).encode(),
        ):
            there.entra.token = (400, {"content-type": "application/json"}, answer)
            seen += await one_way(there, Window(there), tid)
        there.entra.truthful()
        there.entra.reply = {"error": "canary-error", "error_description": "canary-text"}
        seen += await one_way(there, Window(there), tid)
        there.entra.truthful()
        person = await there.app.make_user()
        await settle(there.app, person, await there.tenant())
        window = await Window(there).password(person)
        there.entra.who = someone(tid)
        url = await window.prove(await window.link())
        seen += [*window.cookies.values(), dict(parse_qsl(urlsplit(url).query))["code"]]
        await window.come_back(url)
        rows = json.dumps([str(dict(row)) for row in await there.app.db.fetch("SELECT * FROM auth_audit_logs")])

    structlog.configure(**before)
    written = capsys.readouterr()
    text = written.out + written.err
    assert text.count("request completed") >= 20
    for secret in [*filter(None, seen), "canary-text", "canary-error"]:
        for part in (secret, *([secret[4:-4]] if len(secret) > 20 else [])):  # the middle of a word says nothing
            assert part not in text
            assert part not in rows
