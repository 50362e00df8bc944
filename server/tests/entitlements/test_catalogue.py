"""The catalogue: what a file may say, and how a faulty one is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from identry.entitlements import Catalogue, CatalogueError, Owned

GOOD: dict[str, Any] = {
    "version": 3,
    "default": "all",
    "modules": {"a": ["a.x.read", "a.x.write"], "b": ["b.y.read"]},
    "plans": {"all": {"modules": ["*"]}, "some": {"modules": ["a"], "permissions": ["a.x.read"]}},
}


def load(tmp_path: Path, content: Any) -> Catalogue:
    file = tmp_path / "catalogue.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Catalogue.load(file)


def test_the_catalogue_of_the_release_is_sound() -> None:
    catalogue = Catalogue.load()
    owned = catalogue.owned(catalogue.default, 0)
    assert owned is not None
    assert all(permission.partition(".")[0] in owned.modules for permission in owned.permissions)


def test_a_star_means_every_module_and_a_list_of_permissions_narrows_a_plan(tmp_path: Path) -> None:
    catalogue = load(tmp_path, GOOD)
    every, some = (catalogue.owned(plan, 0) or Owned() for plan in ("all", "some"))
    assert (every.modules, every.permissions) == ({"a", "b"}, {"a.x.read", "a.x.write", "b.y.read"})
    assert (some.modules, some.permissions) == ({"a"}, {"a.x.read"})
    assert catalogue.owned("none", 0) is None


def test_version_and_proof_change_with_the_plan_the_choice_and_the_contents(tmp_path: Path) -> None:
    before = load(tmp_path, GOOD)
    after = load(tmp_path, {**GOOD, "modules": {**GOOD["modules"], "c": ["c.z.read"]}})
    answers = [before.owned("all", 0), before.owned("all", 1), before.owned("some", 0), after.owned("all", 0)]
    assert len({answer.proof for answer in answers if answer}) == 4
    assert [answer.version for answer in answers if answer] == [3, 4, 3, 3]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"default": "none"}, "default plan 'none' is not among the plans"),
        ({"plans": {"all": {"modules": ["z"]}}}, "modules that are not in the catalogue: z"),
        ({"plans": {"all": {"modules": ["a"], "permissions": ["b.y.read"]}}}, "its modules do not have: b.y.read"),
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"modules": {"a": ["no-dot"]}}, "modules"),
        ({"modules": {"bad name": []}}, "modules"),
        ({"extra": 1}, "unknown field `extra`"),
        ({"plans": {"all": {"modules": ["*"], "price": 1}}}, "unknown field `price`"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line_that_names_it(tmp_path: Path, change: Any, what: str) -> None:
    with pytest.raises(CatalogueError) as error:
        load(tmp_path, {**GOOD, **change})
    assert what in str(error.value)
    assert "catalogue.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(CatalogueError):
        load(tmp_path, raw)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        Catalogue.load(tmp_path / "none.json")
