"""What is in the wheel, and that it works where nothing else is installed: alone, and with each extra."""

from __future__ import annotations

import json
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

KIT = Path(__file__).parents[2]
ROOT = KIT.parent
EXTRAS = ("anthropic", "fastapi", "litestar", "openai", "otel", "redis", "sqlalchemy")
NEEDS = {
    "apierror.fastapi": "fastapi",
    "apierror.litestar": "litestar",
    "apierror.starlette": "fastapi",
    "jwtauth.fastapi": "fastapi",
    "jwtauth.litestar": "litestar",
    "narration.sql": "sqlalchemy",
    "tiering.sqlalchemy": "sqlalchemy",
}
"""The modules that need an extra; all others work alone."""
PLUGIN = "pytest_plugin"

IMPORT_EVERYTHING = """
import importlib, json, pkgutil
import identry_kit
found = {}
for module in pkgutil.walk_packages(identry_kit.__path__, "identry_kit."):
    try:
        importlib.import_module(module.name)
        found[module.name] = ""
    except ImportError as error:
        found[module.name] = str(error)
print(json.dumps(found))
"""

VERIFY = """
import asyncio
from identry_kit.jwtauth import InvalidToken, JWKSCache, Verifier
from identry_kit.testing import Issuer

async def main():
    with Issuer() as issuer:
        keys = JWKSCache(issuer.jwks_url)
        verifier = Verifier(keys, issuer=issuer.issuer, audience=issuer.audience)
        print((await verifier.verify(issuer.mint())).sub)
        try:
            await verifier.verify(issuer.mint(aud="another"))
        except InvalidToken as error:
            print(error.reason)
        await keys.aclose()

asyncio.run(main())
"""

AI = """
import asyncio, logging
from identry_kit.aigateway import AIError, for_test
logging.disable()

async def main():
    try:
        await for_test({provider!r}, "key", "http://127.0.0.1:9").call("hello")
    except AIError as error:
        print(type(error).__name__, error)

asyncio.run(main())
"""


def _slow_unless_a_module_needs_it(extra: str) -> Any:
    return extra if extra in NEEDS.values() else pytest.param(extra, marks=pytest.mark.slow)


def test_it_holds_the_package_its_types_and_its_papers_and_nothing_else(wheel: Any) -> None:
    sources = (KIT / "src").rglob("*")
    package = {str(path.relative_to(KIT / "src")) for path in sources if path.suffix in {".py", ".typed"}}
    papers = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert set(wheel.names) == package | {f"{wheel.info}/{name}" for name in papers}
    assert "identry_kit/py.typed" in wheel.names
    assert not [name for name in wheel.names if "tests" in name or "conftest" in name]


def test_the_kits_licence_is_the_projects(wheel: Any) -> None:
    assert wheel.read(f"{wheel.info}/licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    assert wheel.metadata["License-Expression"] == "Apache-2.0"


def test_its_metadata_say_what_a_reader_of_an_index_needs(wheel: Any) -> None:
    said = wheel.metadata
    assert (said["Name"], said["Requires-Python"]) == ("identry-kit", ">=3.11")
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload().strip() == (KIT / "README.md").read_text().strip()
    assert "Typing :: Typed" in said.get_all("Classifier")
    assert not [line for line in said.get_all("Classifier") if line.startswith("License ::")]  # the expression says it
    for name in ("Home-page", "Download-URL", "Project-URL"):
        assert said[name] is None


def test_its_base_needs_two_packages_and_everything_else_is_an_extra(wheel: Any) -> None:
    needs = [Requirement(line) for line in wheel.metadata.get_all("Requires-Dist")]
    assert {need.name for need in needs if need.marker is None} == {"cryptography", "httpx2"}
    assert sorted(wheel.metadata.get_all("Provides-Extra")) == sorted(EXTRAS)


def test_pytest_finds_its_fixtures(wheel: Any, clean: Callable[..., Any], tmp_path: Path) -> None:
    points = ConfigParser()
    points.read_string(wheel.read("entry_points.txt"))
    assert dict(points["pytest11"]) == {"identry_kit": "identry_kit.pytest_plugin"}
    suite = tmp_path / "test_service.py"
    suite.write_text("def test_a_token(identry_issuer):\n    assert identry_issuer.mint().count('.') == 2\n")
    done = clean(beside=["pytest"]).run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite))
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_alone_it_verifies_tokens_with_keys_from_over_http(clean: Callable[..., Any]) -> None:
    assert clean().says(VERIFY).split() == ["42", "audience"]


def test_alone_nothing_but_what_it_asks_for_is_there(clean: Callable[..., Any]) -> None:
    installed = clean().installed()
    assert {"identry-kit", "cryptography", "httpx2"} <= installed
    assert installed.isdisjoint(
        {"starlette", "fastapi", "litestar", "redis", "sqlalchemy", "pydantic", "pytest", "identry"}
    )


@pytest.mark.parametrize("extra", ["", *map(_slow_unless_a_module_needs_it, EXTRAS)])
def test_every_module_works_or_names_its_extra(clean: Callable[..., Any], extra: str) -> None:
    said = json.loads(clean(extra).says(IMPORT_EVERYTHING))
    failed = {name.removeprefix("identry_kit."): error for name, error in said.items() if error}
    assert "pytest" in failed.pop(PLUGIN)
    assert set(failed) == {name for name, needed in NEEDS.items() if needed != extra}
    for name, error in failed.items():
        assert f"'identry-kit[{NEEDS[name]}]'" in error


@pytest.mark.parametrize(("provider", "extra"), [("openai", "openai"), ("claude", "anthropic")])
def test_without_its_extra_a_provider_names_it(clean: Callable[..., Any], provider: str, extra: str) -> None:
    assert f"'identry-kit[{extra}]'" in clean().says(AI.format(provider=provider))


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "extra"), [("openai", "openai"), ("claude", "anthropic")])
def test_with_its_extra_a_provider_is_called(clean: Callable[..., Any], provider: str, extra: str) -> None:
    said = clean(extra).says(AI.format(provider=provider))
    assert said.split()[0] == "AIUnavailable"  # the client was made and called; nobody listens there


def test_redis_buckets_are_made_or_their_extra_is_named(clean: Callable[..., Any]) -> None:
    code = "from identry_kit.httpware import RedisBuckets; RedisBuckets('redis://127.0.0.1:9/0'); print('made')"
    missing = clean().run("-c", code)
    assert missing.returncode == 1
    assert "ImportError" in missing.stderr
    assert "'identry-kit[redis]'" in missing.stderr
    assert clean("redis").says(code) == "made"
