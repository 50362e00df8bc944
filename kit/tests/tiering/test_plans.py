"""contracts/kit.md §6: the order of plans."""

from __future__ import annotations

import pytest
from rows import every

from identry_kit.tiering import PlanRegistry, default_registry


def test_the_default_plans_in_their_order() -> None:
    registry = default_registry()
    assert registry.plans == ("freemium", "pro", "enterprise")
    assert registry.lowest() == "freemium"
    assert "pro" in registry
    assert "Pro" not in registry


@every(
    ("current", "required", "enough"),
    [
        ("pro", "freemium", True),
        ("pro", "pro", True),
        ("enterprise", "pro", True),
        ("freemium", "pro", False),
        ("unknown", "freemium", False),
        ("enterprise", "unknown", False),
        ("unknown", "unknown", False),
        ("", "", False),
        ("", "freemium", False),
        ("PRO", "freemium", False),
    ],
)
def test_at_least_needs_two_known_names(current: str, required: str, enough: bool) -> None:
    registry = default_registry()
    assert registry.tier_at_least(current, required) is enough
    assert (current in registry.at_least(required)) is enough


@every(
    ("plan", "normal"),
    [("pro", "pro"), ("UNKNOWN", "freemium"), ("Pro", "freemium"), ("", "freemium"), (" pro", "freemium")],
)
def test_an_unknown_plan_counts_as_the_lowest(plan: str, normal: str) -> None:
    assert default_registry().normalise(plan) == normal


def test_a_registry_of_ones_own_ignores_duplicates() -> None:
    registry = PlanRegistry("starter", "growth", "starter", "enterprise", "growth")
    assert registry.plans == ("starter", "growth", "enterprise")
    assert registry.tier_at_least("growth", "starter")
    assert repr(registry) == "PlanRegistry('starter', 'growth', 'enterprise')"


def test_an_empty_registry_knows_nothing() -> None:
    registry = PlanRegistry()
    assert registry.lowest() == ""
    assert registry.normalise("pro") == ""
    assert not registry.tier_at_least("pro", "pro")


def test_a_plan_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        PlanRegistry("starter", "")
