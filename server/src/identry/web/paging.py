"""Pages of a list in a query string, by the kit's rules: what is not a page number counts as the default."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from identry_kit import pagination

_INTEGER = {"type": "integer", "minimum": 1}

_LENIENT = {"lenient": True}

Page = Annotated[str, Meta(description="From 1.", extra=_LENIENT, extra_json_schema={**_INTEGER, "default": 1})]
PageSize = Annotated[
    str,
    Meta(description="At most 100; more counts as 100.", extra=_LENIENT, extra_json_schema={**_INTEGER, "default": 20}),
]


def page_of(page: str, page_size: str) -> pagination.PageParams:
    """The page of a decoded query; it never fails (contracts/kit.md §7)."""
    return pagination.parse({"page": page, "pageSize": page_size})


def provider_page_of(page: str, page_size: str) -> pagination.PageParams:
    """The same on the provider surface: a size that is not 1 to 100 counts as 20 (contracts/provider-api.md §12)."""
    size = page_size if page_size.isascii() and page_size.isdecimal() and len(page_size) < 4 else ""
    known = size and 1 <= int(size) <= pagination.MAX_PAGE_SIZE
    return pagination.parse({"page": page, "per_page": size if known else ""}, style="per_page")
