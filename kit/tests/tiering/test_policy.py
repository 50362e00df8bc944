"""contracts/kit.md §6: cells, rows, and which of them may be written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rows import every

from identry_kit.apierror import ValidationFailed
from identry_kit.tiering import FeaturePolicy, default_selector, marshal_access, marshal_limit


def test_cells_as_json() -> None:
    assert json.dumps(marshal_access(True)) == '{"allowed": true}'
    assert json.dumps(marshal_limit(-1)) == '{"limit": -1}'


def test_a_row_as_json(defaults: tuple[FeaturePolicy, ...]) -> None:
    row = replace(defaults[1], updated_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert json.loads(json.dumps(row.body())) == {
        "feature": "export_limit",
        "category": "exports",
        "label": "Monthly Exports",
        "featureType": "numeric_limit",
        "freemium": {"limit": 5},
        "pro": {"limit": 50},
        "enterprise": {"limit": -1},
        "updatedAt": "2026-01-02T00:00:00+00:00",
    }
    assert "updatedAt" not in defaults[1].body()


def test_a_row_cannot_be_changed_by_who_made_or_got_it() -> None:
    cell = marshal_access(False)
    row = FeaturePolicy("f", "c", "l", "access", cell, cell, cell)
    cell["allowed"] = True
    assert row.pro == {"allowed": False}
    with pytest.raises(TypeError):
        row.pro["allowed"] = True  # type: ignore[index]


@every(("plan", "limit"), [("pro", 50), ("enterprise", -1), ("freemium", 5), ("starter", 5), ("", 5), ("Pro", 5)])
def test_which_cell_is_a_plans(defaults: tuple[FeaturePolicy, ...], plan: str, limit: int) -> None:
    assert default_selector(defaults[1], plan) == {"limit": limit}


GOOD_LIMITS = [-1, 0, 1, 2**63 - 1]
BAD_LIMITS: list[Any] = [-2, 2**63, 5.0, "5", None, True, [5], float("nan")]


@every("limit", GOOD_LIMITS)
def test_a_limit_that_may_be_written(defaults: tuple[FeaturePolicy, ...], limit: int) -> None:
    policy = replace(defaults[1], pro=marshal_limit(limit))
    policy.check()
    assert policy.body()["pro"] == {"limit": limit}


@every("cell", [*({"limit": bad} for bad in BAD_LIMITS), {}, {"allowed": True}, None, 5, "x", []])
def test_a_limit_that_may_not(defaults: tuple[FeaturePolicy, ...], cell: Any) -> None:
    with pytest.raises(ValidationFailed) as refused:
        replace(defaults[1], pro=cell).check()
    assert refused.value.details == {"pro": 'must be {"limit": -1 or a whole number from 0}'}


@every("cell", [{}, {"allowed": 1}, {"allowed": "true"}, {"allowed": None}, {"limit": 1}, None, True])
def test_an_access_that_may_not(defaults: tuple[FeaturePolicy, ...], cell: Any) -> None:
    with pytest.raises(ValidationFailed) as refused:
        replace(defaults[0], freemium=cell, enterprise=cell).check()
    assert refused.value.details is not None
    assert list(refused.value.details) == ["freemium", "enterprise"]


def test_other_keys_of_a_cell_do_not_matter(defaults: tuple[FeaturePolicy, ...]) -> None:
    policy = replace(defaults[0], pro={"allowed": True, "note": "until May"})
    policy.check()
    assert policy.body()["pro"] == {"allowed": True, "note": "until May"}


def test_a_row_needs_a_key_and_a_known_type(defaults: tuple[FeaturePolicy, ...]) -> None:
    with pytest.raises(ValidationFailed):
        replace(defaults[0], feature="").check()
    with pytest.raises(ValidationFailed):
        replace(defaults[0], feature_type="other").check()  # type: ignore[arg-type]
