"""contracts/kit.md §7: defaults, caps and the two styles on the wire."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import every

from identry_kit.pagination import MAX_PAGE, PageParams, page_body, parse

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

EDGES = [
    ("", 1, 20),
    ("page=3", 3, 20),
    ("page=3&pageSize=50", 3, 50),
    ("page=0", 1, 20),
    ("page=-1", 1, 20),
    ("page=abc", 1, 20),
    ("page=", 1, 20),
    ("page=5.0", 1, 20),
    ("page=%205", 1, 20),
    ("page=5%20", 1, 20),
    ("page=+5", 1, 20),  # a plus in a query string is a space
    ("page=%2B5", 5, 20),
    ("page=007", 7, 20),
    ("page=1e3", 1, 20),
    ("page=0x10", 1, 20),
    ("page=1_000", 1, 20),
    ("page=%D9%A3", 1, 20),  # an Arabic-Indic digit
    ("page=%C2%B2", 1, 20),  # a superscript two
    ("page=2&page=9", 2, 20),
    ("page=999999999", 999_999_999, 20),
    ("page=1000000000", 1, 20),
    ("page=9223372036854775808", 1, 20),
    ("page=" + "9" * 5000, 1, 20),
    ("pageSize=100", 1, 100),
    ("pageSize=101", 1, 100),
    ("pageSize=1000000000000000000000", 1, 100),
    ("pageSize=0", 1, 20),
    ("pageSize=-5", 1, 20),
    ("pageSize=1", 1, 1),
    ("pageSize=x", 1, 20),
    ("per_page=50", 1, 20),
    ("pagesize=50", 1, 20),
    ("%ff=1&page=2", 2, 20),
]


@every(("query", "page", "size"), EDGES)
def test_edges_of_the_query(query: str, page: int, size: int) -> None:
    expected = PageParams(page, size)
    assert parse(query) == expected
    assert parse(query.encode()) == expected


def test_a_mapping_is_read_too() -> None:
    assert parse({"page": "2", "pageSize": "5"}) == PageParams(2, 5)


def test_the_other_style_reads_and_writes_its_own_names() -> None:
    params = parse("page=2&per_page=10&pageSize=99", style="per_page")
    assert params == PageParams(2, 10, "per_page")
    assert page_body(["a"], 21, params) == {"data": ["a"], "page": 2, "perPage": 10, "totalItems": 21, "totalPages": 3}


@every(("total", "pages"), [(0, 0), (1, 1), (20, 1), (21, 2), (40, 2), (41, 3)])
def test_total_pages_are_rounded_up(total: int, pages: int) -> None:
    assert page_body([], total, PageParams(style="per_page"))["totalPages"] == pages


def test_the_body_has_a_list_also_when_there_is_nothing() -> None:
    assert page_body(iter(()), 142, PageParams(9)) == {"data": [], "page": 9, "pageSize": 20, "totalCount": 142}


@unhurried
@given(st.text(), st.text())
def test_any_query_gives_a_page_that_a_database_takes(page: str, size: str) -> None:
    params = parse({"page": page, "pageSize": size})
    assert 1 <= params.page <= MAX_PAGE
    assert 1 <= params.page_size <= 100
    assert 0 <= params.offset < 2**63
    assert params.limit == params.page_size


@unhurried
@given(st.binary())
def test_any_bytes_are_a_query(query: bytes) -> None:
    assert parse(query).page >= 1
