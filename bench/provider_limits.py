"""The bare endpoints beside the provider's: a signature, a code's transaction and two signatures, a template."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from identry.hosted import Doors
from identry.pages import LANGUAGES, Brand, Catalog, Sheets
from identry.web.faults import Faults
from identry.web.trail import Trail

CLAIMS = b"x" * 400

TABLES = (
    "CREATE TABLE IF NOT EXISTS bench_codes (code_hash bytea PRIMARY KEY, row_id uuid, consumed_at timestamptz)",
    "CREATE TABLE IF NOT EXISTS bench_grants (id uuid PRIMARY KEY, row_id uuid, token_hash bytea, at timestamptz)",
)


def signers() -> dict[str, Callable[[], bytes]]:
    """One signature of a token's size, by each algorithm."""
    rsa_key = rsa.generate_private_key(65537, 2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    return {
        "RS256": lambda: rsa_key.sign(CLAIMS, padding.PKCS1v15(), hashes.SHA256()),
        "ES256": lambda: ec_key.sign(CLAIMS, ec.ECDSA(hashes.SHA256())),
    }


async def sign(request: Request) -> JSONResponse:
    """One signature."""
    return JSONResponse({"token": request.app.state.signers[request.path_params["alg"]]().hex()})


async def exchange(request: Request) -> JSONResponse:
    """One transaction of what a code's use must write, each row by its key, and two RSA signatures: the code is marked
    as used where it was not, the grant and an event are added."""
    code: Any = (await request.body()).partition(b"code=")[2].partition(b"&")[0]
    hashed, grant = sha256(code).digest(), uuid4()
    async with request.app.state.unreset.acquire() as connection, connection.transaction():
        user = await connection.fetchval(
            "UPDATE bench_codes SET consumed_at = now() WHERE code_hash = $1 AND consumed_at IS NULL RETURNING row_id",
            hashed,
        )
        await connection.execute(
            "INSERT INTO bench_grants (id, row_id, token_hash, at) VALUES ($1, $2, $3, now())", grant, user, hashed
        )
        await connection.execute(
            "INSERT INTO bench_events (id, row_id, told) VALUES ($1, $2, $3)", uuid4(), user, "auth.code.redeemed"
        )
    rs256 = request.app.state.signers["RS256"]
    return JSONResponse({"access_token": rs256().hex(), "id_token": rs256().hex()}, 200 if user else 400)


def sheet() -> Callable[[], str]:
    """The template of the sign-in page, filled with values that are always the same."""
    texts, brand = Catalog.load().of("en"), Brand("Identry")
    sheets = Sheets(style="/pages/pages.css", script="/pages/pages.js", icon="/pages/icon.svg", account="/pages/a.css")
    values = {
        "t": texts,
        "house": brand,
        "brand": brand,
        "app_url": "",
        "guest": False,
        "nonce": "n" * 22,
        "csrf": "c" * 86,
        "trail": Trail(),
        "here": "/login",
        "typed": {},
        "faults": Faults.of(None, texts),
        "languages": [(code, name, f"/login?lang={code}", code == "en") for code, name in LANGUAGES.items()],
        "doors": Doors(password=True),
        "sign_up": False,
        "email": "",
        "again": False,
    }
    return lambda: sheets.render("login.html", values)


async def page(request: Request) -> HTMLResponse:
    """The sign-in page's template."""
    return HTMLResponse(request.app.state.sheet())


async def codes(url: str, count: int) -> list[str]:
    """Codes for `exchange`; each works once."""
    raw = [secrets.token_urlsafe(32) for _ in range(count)]
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE bench_codes")
    await connection.copy_records_to_table(
        "bench_codes",
        columns=["code_hash", "row_id"],
        records=[(sha256(code.encode()).digest(), UUID(int=random.randrange(10_000))) for code in raw],
    )
    await connection.execute("VACUUM (ANALYZE) bench_codes")
    await connection.close()
    return raw


ROUTES = [
    Route("/page", page),
    Route("/sign/{alg}", sign, methods=["POST"]),
    Route("/exchange", exchange, methods=["POST"]),
]
