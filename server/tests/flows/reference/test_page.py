"""/docs and /openapi.json over HTTP: offline, strict policy, files that may be kept for good."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from identry import __version__
from identry.flows.reference import routes

VENDORED = Path(routes.__file__).parent / "pages" / "swagger-ui"


async def page(app) -> str:
    reply = await app.http.get("/docs")
    assert reply.status_code == 200
    return reply.text


def assets(html: str) -> list[str]:
    return sorted(set(re.findall(r'(?:href|src)="(/docs/assets/[^"]+)"', html)))


async def test_the_document_is_served_and_revalidated_by_its_entity_tag(app):
    reply = await app.http.get("/openapi.json")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["info"]["version"] == __version__
    again = await app.http.get("/openapi.json", headers={"If-None-Match": f'W/"x", {reply.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    changed = await app.http.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200


async def test_the_document_describes_what_is_mounted(app):
    paths = (await app.http.get("/openapi.json")).json()["paths"]
    assert "/auth/login" in paths
    assert not any(path.startswith(("/docs", "/dev")) for path in paths)


async def test_the_page_names_only_its_own_files_and_each_exists(app):
    html = await page(app)
    found = assets(html)
    assert len(found) == 5
    assert not re.search(r"(?:src|href)=\"(?!/)", html)
    for path in found:
        reply = await app.http.get(path)
        assert reply.status_code == 200, path
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        digest = hashlib.sha256(reply.content).digest()
        assert digest.hex()[:12] in path
        if not path.endswith(".svg"):
            assert f'integrity="sha256-{base64.b64encode(digest).decode()}"' in html


async def test_the_policy_lets_only_these_scripts_run_and_nothing_be_called_elsewhere(app):
    reply = await app.http.get("/docs")
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    hashes = set(policy["script-src"].split())
    assert all(re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", value) for value in hashes)
    scripts = re.findall(r'<script src="[^"]+" integrity="([^"]+)" defer></script>', reply.text)
    assert {f"'{value}'" for value in scripts} == hashes
    assert reply.text.count("<script") == len(scripts)
    assert "style=" not in reply.text
    assert not re.search(r"\son\w+=", reply.text)
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_head_sends_the_headers_alone(app):
    reply = await app.http.head("/docs")
    assert (reply.status_code, reply.content) == (200, b"")
    assert int(reply.headers["content-length"]) > 500


def test_the_vendored_viewer_is_the_one_that_its_note_names():
    note = (VENDORED / "VENDORED.md").read_text(encoding="utf-8")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        digest = hashlib.sha256((VENDORED / name).read_bytes()).hexdigest()
        assert f"| `{name}` | sha256 `{digest}` |" in note
    for name in ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"):
        assert (VENDORED / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("sent", "status", "span"),
    [
        ("bytes=0-9", 206, (0, 10)),
        ("bytes=10-", 206, (10, None)),
        ("bytes=-7", 206, (-7, None)),
        ("bytes=0-99999999999999", 206, (0, None)),
        ("bytes=9999999999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=5-2", 200, (0, None)),
        ("bytes=-", 200, (0, None)),
        ("bytes=a-b", 200, (0, None)),
        ("bytes=0-1,3-4", 200, (0, None)),
        ("bytes=" + "0-0," * 5000, 200, (0, None)),
        ("bytes=" + "1" * 8000 + "-", 200, (0, None)),
        ("lines=0-9", 200, (0, None)),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_one_bounded_range_is_honoured_and_any_other_ignored(app, sent, status, span):
    path = next(path for path in assets(await page(app)) if path.endswith(".svg"))
    whole = (await app.http.get(path)).content
    reply = await app.http.get(path, headers={"Range": sent})
    assert reply.status_code == status
    if span is None:
        assert reply.headers["content-range"] == f"bytes */{len(whole)}"
    else:
        assert reply.content == whole[slice(*span)]
        assert ("content-range" in reply.headers) == (status == 206)


async def test_a_range_of_another_version_is_the_whole_file(app):
    path = next(path for path in assets(await page(app)) if path.endswith(".svg"))
    whole = await app.http.get(path)
    old = await app.http.get(path, headers={"Range": "bytes=0-3", "If-Range": '"old"'})
    assert (old.status_code, old.content) == (200, whole.content)
    same = await app.http.get(path, headers={"Range": "bytes=0-3", "If-Range": whole.headers["etag"]})
    assert (same.status_code, same.headers["content-range"]) == (206, f"bytes 0-3/{len(whole.content)}")
    kept = await app.http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert kept.status_code == 304


@pytest.mark.parametrize("name", ["../routes.py", "..%2froutes.py", "reference.css", "swagger-ui.css.map", ""])
async def test_nothing_else_below_the_folder_is_served(app, name):
    assert (await app.http.get(f"/docs/assets/{name}")).status_code == 404
