"""Pages of a list: reading them from a query string, and the body of the answer.

Two styles on the wire: `pageSize` (the default) and `per_page`. Source: third seed; edges in contracts/kit.md §7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl

__all__ = ["DEFAULT_PAGE_SIZE", "MAX_PAGE", "MAX_PAGE_SIZE", "PageParams", "Style", "page_body", "parse"]

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_PAGE = 10**9 - 1
"""Nine digits: `offset` stays far below 2⁶³, which PostgreSQL takes."""

Style: TypeAlias = Literal["pageSize", "per_page"]


@dataclass(frozen=True, slots=True)
class PageParams:
    """A page (from 1) of a size (1 … 100). `style` decides how the answer spells it."""

    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    style: Style = "pageSize"

    @property
    def offset(self) -> int:
        """How many items come before this page: SQL's OFFSET."""
        return (self.page - 1) * self.page_size

    @property
    def limit(self) -> int:
        """SQL's LIMIT; another name of `page_size`."""
        return self.page_size


def parse(
    query: str | bytes | Mapping[str, str],
    *,
    style: Style = "pageSize",
    default_size: int = DEFAULT_PAGE_SIZE,
    max_size: int = MAX_PAGE_SIZE,
) -> PageParams:
    """Read the page from a raw query string (`scope["query_string"]`) or a mapping of its first values.

    It never fails: what is missing, not a whole number or below 1 becomes the default; a size above the maximum becomes
    the maximum; a page of more than nine digits becomes 1; of a repeated parameter the first counts.
    """
    first = query if isinstance(query, Mapping) else _first_values(query)
    page = _positive(first.get("page"), 1)
    size = _positive(first.get("pageSize" if style == "pageSize" else "per_page"), default_size)
    return PageParams(page if page <= MAX_PAGE else 1, min(size, max_size), style)


def page_body(items: Iterable[Any], total: int, params: PageParams) -> dict[str, Any]:
    """The answer's body: `data` is always a list, also when `items` is empty; `total` counts all pages together."""
    data = list(items)
    if params.style == "pageSize":
        return {"data": data, "page": params.page, "pageSize": params.page_size, "totalCount": total}
    return {
        "data": data,
        "page": params.page,
        "perPage": params.page_size,
        "totalItems": total,
        "totalPages": -(-total // params.page_size),
    }


def _first_values(query: str | bytes) -> dict[str, str]:
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    first: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first.setdefault(name, value)
    return first


def _positive(text: str | None, default: int) -> int:
    """`text` as a number ≥ 1 when it is plain ASCII digits (a `+` or `-` sign is allowed), else `default`."""
    if text is None:
        return default
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not digits.isascii() or not digits.isdigit():
        return default
    if text[0] == "-":
        return default
    digits = digits.lstrip("0")
    if len(digits) > 19:
        # Too long for any integer that a page or a size could be; int() of a very long text is also slow.
        return MAX_PAGE + 1
    return int(digits) if digits else default
