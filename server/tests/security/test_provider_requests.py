"""SECURITY rows 13, 29, 44–46, 48 and 55 at the provider: headers, addresses and parameters that try to be more."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import parse_qs, urlencode, urlsplit

from harness import Harness
from provider.relying_party import AFTER_LOGOUT, CALLBACK, DISCOVERY, RelyingParty, visitor
from provider.visitor import Visitor

TRICKS: list[dict[str, str]] = [
    {"Host": "evil.example.com"},
    {"X-Forwarded-Host": "evil.example.com"},
    {"Forwarded": "host=evil.example.com;proto=http"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Port": "81", "X-Forwarded-Prefix": "/evil.example.com"},
    {"X-Original-URL": "https://evil.example.com/", "Referer": "https://evil.example.com/"},
]


async def test_row_13_the_published_keys_are_public_halves(app: Harness) -> None:
    for path in ("/.well-known/jwks.json", DISCOVERY):
        text = (await app.http.get(path)).text
        assert "PRIVATE" not in text
        for key in json.loads(text).get("keys", []):
            assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & key.keys()


async def test_row_29_no_header_moves_the_issuer(app: Harness) -> None:
    party = await RelyingParty.at(app)
    plain = (await app.http.get(DISCOVERY)).json()
    target = party.local("authorization_endpoint") + "?" + urlencode(party.request(state="s"))
    for trick in TRICKS:
        assert (await app.http.get(DISCOVERY, headers=trick)).json() == plain, trick
        sent = await app.http.get(target, headers=trick, follow_redirects=False)
        assert sent.status_code in {302, 303}, sent.text
        assert urlsplit(sent.headers["location"]).netloc in {"", "auth.example.com"}, trick
        page = await app.http.get("/login", headers=trick)
        assert "evil.example.com" not in page.text, trick


HOSTILE = [
    CALLBACK + "/", CALLBACK + "?", CALLBACK + "?x=1", CALLBACK + "#", CALLBACK + "#x", CALLBACK + "/..",
    CALLBACK + "%2e", CALLBACK + ".evil.example.com", CALLBACK.upper(), CALLBACK.replace("https", "http"),
    CALLBACK.replace("https", "HTTPS"),
    CALLBACK.replace("rp.", "evil."), "https://rp.example.com", "https://rp.example.com/", "//rp.example.com/callback",
    "https://rp.example.com:443/callback", "https://rp.example.com:8443/callback", "https://rp.example.com./callback",
    "https://rp.example.com@evil.example.com/callback", "https://evil.example.com#@rp.example.com/callback",
    "https://evil.example.com\\@rp.example.com/callback", "https://evil@rp.example.com/callback",
    "https://rp.example.com/x/../callback", "https://rp.example.com/callback/..;/", "https://rp.example.com/%63allback",
    "https://rp.example.com//callback", "https://rp.example.com/callback\r\nX: y", " " + CALLBACK, CALLBACK + " ",
    CALLBACK + "\x00", CALLBACK + "\t", "javascript:alert(1)//" + CALLBACK, "data:text/html," + CALLBACK, "callback",
    "/callback", "*", "https://*.example.com/callback", "http://127.0.0.1/callback", "http://localhost/callback",
    "https://rp.example.com/callback,https://evil.example.com/", "https://rp。example.com/callback", "a" * 5000,
]  # fmt: skip


async def test_row_44_only_a_registered_address_is_ever_gone_to(app: Harness) -> None:
    party = await RelyingParty.at(app)
    for address in HOSTILE:
        query = urlencode(party.request(redirect_uri=address, prompt="none"))
        reply = await app.http.get(f"/oauth/authorize?{query}", follow_redirects=False)
        assert (reply.status_code, "location" in reply.headers) == (400, False), address
        assert not re.search(r'(?:href|action|src|content)="(?!/)[^"]*(?:evil|rp)\b', reply.text), address
    twice = urlencode(party.request()) + "&" + urlencode({"redirect_uri": "https://evil.example.com/"})
    reply = await app.http.get(f"/oauth/authorize?{twice}", follow_redirects=False)
    assert reply.status_code == 400


async def test_row_44_nor_after_a_logout(app: Harness) -> None:
    party, browser = await RelyingParty.at(app), await visitor(app)
    tokens = await party.sign_in(browser)
    for address in [address.replace(CALLBACK, AFTER_LOGOUT) for address in HOSTILE]:
        query = urlencode({"id_token_hint": tokens.id_token, "post_logout_redirect_uri": address})
        reply = await app.http.get(f"/oauth/logout?{query}", follow_redirects=False)
        where = reply.headers.get("location", "/")
        assert re.match(r"(?:https://auth\.example\.com)?/(?![/\\])", where), (address, where)


async def test_row_45_no_address_in_a_request_is_fetched(app: Harness) -> None:
    """`request_uri`, `sector_identifier_uri`, `jku` and their like name a port of this machine; nobody comes."""
    came: list[object] = []
    listener = await asyncio.start_server(lambda _, writer: (came.append(writer), writer.close()), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    party = await RelyingParty.at(app)
    async with listener:
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433"):
            url = f"http://{host}:{port}/x"
            for more in ({"request_uri": url}, {"logo_uri": url, "jwks_uri": url, "sector_identifier_uri": url}):
                query = urlencode(party.request(prompt="none", **more))
                reply = await app.http.get(f"/oauth/authorize?{query}", follow_redirects=False)
                assert reply.status_code in {302, 303, 400}
            assertion = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
            form = {"grant_type": "client_credentials", **assertion, "client_assertion": _pointing_at(url)}
            reply = await app.http.post("/oauth/token", data=form)
            assert reply.status_code in {400, 401}
        await asyncio.sleep(0)
    assert came == []


def _pointing_at(url: str) -> str:
    """A client assertion whose header says where its key would be."""
    import base64

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    header = {"alg": "RS256", "kid": "x", "jku": url, "x5u": url}
    return f"{part(header)}.{part({'iss': 'x', 'sub': 'x', 'aud': 'x', 'exp': 9e9, 'jti': 'x'})}.AAAA"


async def test_row_46_no_forwarded_address_replaces_a_clients_secret(app: Harness) -> None:
    party = await RelyingParty.at(app, grant_types=["client_credentials"])
    form = {"grant_type": "client_credentials", "client_id": party.client_id, "client_secret": "wrong"}
    for value in ("", ",", "unknown", "999.1.1.1", "'; DROP TABLE clients; --", "a" * 5000, "1.2.3.4," * 500, "[::1"):
        reply = await app.http.post("/oauth/token", data=form, headers={"X-Forwarded-For": value})
        assert reply.status_code in {401, 429}, reply.text


async def test_row_48_what_is_proven_decides_and_not_what_is_said_beside_it(app: Harness) -> None:
    """Ids of another client or user in the body, the query or a header: refused, or of no effect."""
    ours, theirs = await RelyingParty.at(app), await RelyingParty.at(app)
    browser, other = await visitor(app), await visitor(app)
    scope = "openid email profile"
    tokens, victim = await ours.sign_in(browser, scope=scope), await theirs.sign_in(other, scope=scope)
    reply = await ours.ask("introspection_endpoint", {"token": victim.access_token, "client_id": theirs.client_id})
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")
    sub = victim.claims["sub"]
    bearer = {"Authorization": f"Bearer {tokens.access_token}", "X-User-Id": sub}
    for query in (f"?sub={sub}", f"?user_id={sub}", f"?id={sub}"):
        told = (await app.http.get(f"/oauth/userinfo{query}", headers=bearer)).json()
        assert told["sub"] == tokens.claims["sub"], query
    two = {"access_token": victim.access_token}
    assert (await app.http.post("/oauth/userinfo", headers=bearer, data=two)).status_code in {400, 401}
    body = {"id": int(sub), "user_id": sub, "email": "taken@example.com", "role": "superadmin", "name": "Grace Hopper"}
    reply = await app.http.put("/api/profile", headers=bearer, json=body)
    assert reply.status_code == 200, reply.text
    mine = (await app.http.get("/oauth/userinfo", headers=bearer)).json()
    theirs_now = (await theirs.userinfo(victim.access_token)).json()
    assert browser.person is not None
    assert mine["email"] == browser.person.email
    assert theirs_now["name"] == "Ada Lovelace"


async def test_row_55_ten_thousand_scopes_are_refused(app: Harness) -> None:
    party = await RelyingParty.at(app, grant_types=["client_credentials", "authorization_code"])
    scope = " ".join(f"s{n}" for n in range(10_000))
    reply = await party.ask("token_endpoint", {"grant_type": "client_credentials", "scope": scope})
    assert reply.status_code == 400
    assert reply.json()["error"] in {"invalid_scope", "invalid_request"}
    for asked in ("openid " + "x" * 2000, scope):
        query = urlencode(party.request(scope=asked))
        reply = await app.http.get(f"/oauth/authorize?{query}", follow_redirects=False)
        assert reply.status_code == 400 or "error=invalid_scope" in reply.headers["location"]


async def test_row_55_no_line_break_gets_into_an_answers_head(app: Harness) -> None:
    party = await RelyingParty.at(app)
    evil = "s\r\nSet-Cookie: x=y\r\n\r\n<script>"
    for changes in ({"state": evil}, {"state": evil, "prompt": "none"}, {"scope": evil}, {"nonce": evil}):
        query = urlencode(party.request(**changes))
        reply = await app.http.get(f"/oauth/authorize?{query}", follow_redirects=False)
        assert "x=y" not in str(reply.headers.get("set-cookie", ""))
        assert "<script>" not in reply.text
        if reply.headers.get("location", "").startswith(CALLBACK):
            told = parse_qs(urlsplit(reply.headers["location"]).query)
            assert told["state"] == [changes.get("state", told["state"][0])]


async def test_row_55_the_owner_gets_in_while_a_stranger_guesses(app: Harness) -> None:
    party = await RelyingParty.at(app)
    owner = await visitor(app)
    assert owner.person is not None
    stranger = Visitor(app)
    for _ in range(12):
        page = await stranger.get(f"{stranger.origin}/login")
        if page.form("password"):
            await stranger.submit(page, email=owner.person.email, password="a wrong guess")
    assert (await party.sign_in(owner)).claims["sub"]
