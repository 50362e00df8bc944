"""Nothing that a second factor is made of reaches a log line, an audit row or, readable, any table."""

from __future__ import annotations

import json

import pytest
import structlog
from browser import Browser
from canaries import disguises
from enrolment import begun, code_of, demanded, newcomer
from harness import PASSWORD, Servers, running

from identry.core import observability
from identry_kit import context

TABLES = {
    "auth_audit_logs": "target_user_id",
    "totp_factors": "user_id",
    "recovery_codes": "user_id",
    "one_time_tokens": "user_id",
    "sessions": "user_id",
    "users": "id",
}


async def test_no_secret_of_a_second_factor_is_written_down(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    observability.configure(level="DEBUG", request_id=context.request_id)
    canaries: dict[str, str] = {}
    async with running(servers, LOG_LEVEL="DEBUG") as app:
        person, _ = await newcomer(app, mfa_required=True)
        ticket = canaries["set-up ticket"] = await demanded(app, person)
        browser = Browser(app)
        secret = canaries["secret"] = await begun(browser, ticket)
        for code in ("000000", code_of(app, secret)):
            reply = await browser.post("/mfa/enable", {"session_token": ticket, "totp_code": code})
        codes = reply.json()["recovery_codes"]
        waiting = canaries["ticket"] = (await Browser(app).login(person)).json()["session_token"]
        await Browser(app).post("/mfa/verify", {"session_token": waiting, "recovery_code": codes[0]})
        await browser.post("/mfa/step-up", {"recovery_code": codes[1]})
        app.clock.advance(60)
        renewed = await browser.post("/mfa/recovery-codes", {"totp_code": code_of(app, secret)})
        codes += renewed.json()["recovery_codes"]
        await browser.post("/mfa/disable", {"recovery_code": codes[-1], "password": PASSWORD})
        canaries |= {f"recovery code {n}": code for n, code in enumerate(codes)}
        found = [
            await app.db.fetch(f"SELECT t::text FROM {table} t WHERE {column} = $1", person.id)
            for table, column in TABLES.items()
        ]
        found.append(await app.db.fetch("SELECT t::text FROM mail_outbox t WHERE recipient = $1", person.email))
        rows = json.dumps([[row[0] for row in table] for table in found])
    structlog.configure(**before)
    written = capsys.readouterr()
    text = written.out + written.err
    assert len(canaries) == 23
    assert text.count("request completed") >= 8
    for name, canary in canaries.items():
        spellings = {canary, canary.replace("-", ""), canary.lower(), canary.replace("-", "").lower()}
        for disguise in {found for s in spellings for found in disguises(s) if len(found) >= 8}:
            assert disguise not in text, f"{name} is in the log"
            assert disguise not in rows, f"{name} is in a table"
