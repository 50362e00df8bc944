"""Plans in their order, from the lowest to the highest."""

from __future__ import annotations

PLAN_FREEMIUM = "freemium"
PLAN_PRO = "pro"
PLAN_ENTERPRISE = "enterprise"


class PlanRegistry:
    """Plan names, the lowest first; immutable. A name given twice keeps its first place; an empty name is a ValueError.

    Names are compared as exact strings: `Pro` is not `pro`. A registry without plans is allowed; nothing is in it.
    """

    __slots__ = ("_positions", "plans")

    plans: tuple[str, ...]
    """The names in their order."""

    def __init__(self, *plans: str) -> None:
        if not all(plans):
            raise ValueError("a plan has a name")
        self.plans = tuple(dict.fromkeys(plans))
        self._positions = {plan: position for position, plan in enumerate(self.plans)}

    def __repr__(self) -> str:
        return f"PlanRegistry{self.plans!r}"

    def __contains__(self, plan: object) -> bool:
        return plan in self._positions

    def lowest(self) -> str:
        """The plan of whoever has no known plan; `""` when there are no plans."""
        return self.plans[0] if self.plans else ""

    def tier_at_least(self, current: str, required: str) -> bool:
        """Whether `current` is `required` or above. False when either name is unknown."""
        have, want = self._positions.get(current), self._positions.get(required)
        return have is not None and want is not None and have >= want

    def normalise(self, plan: str) -> str:
        """A known name as it is, anything else as the lowest plan."""
        return plan if plan in self._positions else self.lowest()

    def at_least(self, required: str) -> frozenset[str]:
        """The plans from `required` upwards; none when that name is unknown."""
        position = self._positions.get(required)
        return frozenset() if position is None else frozenset(self.plans[position:])


_DEFAULT = PlanRegistry(PLAN_FREEMIUM, PLAN_PRO, PLAN_ENTERPRISE)


def default_registry() -> PlanRegistry:
    """`freemium` < `pro` < `enterprise`."""
    return _DEFAULT
