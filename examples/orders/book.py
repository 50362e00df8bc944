"""Orders, in memory. A real service has a database here; what matters is that every call names the owner."""

from __future__ import annotations

from dataclasses import dataclass

from identry_kit.apierror import not_found
from identry_kit.context import Caller


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `cents` is its price."""

    id: int
    item: str
    cents: int


class OrderBook:
    """Orders by owner. Nobody can name another owner's order: to them it does not exist (404, not 403)."""

    def __init__(self) -> None:
        self._orders: dict[str, list[Order]] = {}

    def add(self, owner: str, item: str, cents: int) -> Order:
        """A new order."""
        orders = self._orders.setdefault(owner, [])
        order = Order(len(orders) + 1, item, cents)
        orders.append(order)
        return order

    def get(self, owner: str, order_id: int) -> Order:
        """One of the owner's orders. Raises NotFound."""
        for order in self._orders.get(owner, ()):
            if order.id == order_id:
                return order
        raise not_found("order", order_id)

    def page(self, owner: str, offset: int, limit: int) -> tuple[list[Order], int]:
        """Some of the owner's orders, and how many there are in all."""
        orders = self._orders.get(owner, [])
        return orders[offset : offset + limit], len(orders)

    def owners(self) -> list[str]:
        """Everybody who ever ordered."""
        return sorted(self._orders)


def owner_of(caller: Caller) -> str:
    """Whose orders a caller sees: the tenant's, or their own when the token names no tenant."""
    return str(caller.tenant_id or caller.user_id)
