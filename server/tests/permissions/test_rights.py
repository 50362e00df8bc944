"""Sets of permissions and the catalogue, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import every

from identry.permissions import CATALOGUE, NOTHING, Rights, canonical

_KEYS = st.sampled_from(sorted(CATALOGUE)) | st.from_regex(r"[a-z][a-z0-9._:-]{0,30}", fullmatch=True)
_POOL = [*sorted(CATALOGUE), "*", "incidents:*", "finance.*", "finance.expense.*"]
_GRANTS = st.sets(_KEYS | st.sampled_from(["*", "incidents:*", "finance.expense.*"]), max_size=6)


@given(_GRANTS, _KEYS)
def test_a_key_is_allowed_by_itself_the_star_and_the_wildcards_before_it_and_by_nothing_else(
    grants: set[str], key: str
) -> None:
    expected = any(g in {key, "*"} or (g.endswith("*") and key.startswith(g[:-1])) for g in grants)
    assert Rights(grants).allows(key) == expected
    assert bool(Rights(grants).granting(key)) == expected
    assert (Rights(grants).missing([key]) == []) == expected


@given(st.sets(st.sampled_from(_POOL), min_size=1, max_size=6), st.data())
def test_who_may_give_something_may_do_all_of_it(giver: set[str], data: st.DataObject) -> None:
    may_give = [grant for grant in _POOL if not Rights(giver).missing([grant])]
    assert giver <= set(may_give)
    given_away = data.draw(st.sets(st.sampled_from(may_give), min_size=1))
    allowed = [key for key in [*CATALOGUE, "finance.expense.read", "other:key"] if Rights(given_away).allows(key)]
    assert allowed
    assert Rights(giver).missing(allowed) == []


def test_nothing_allows_nothing() -> None:
    assert not any(NOTHING.allows(key) for key in [*CATALOGUE, "*", ""])


@every(
    ("written", "stored"),
    [
        ("settings.users.read", "users:read"),
        ("settings.rbac.*", "rbac:*"),
        ("incidents.read", "incidents:read"),
        (" incidents:* ", "incidents:*"),
        ("finance.expense.create", "finance.expense.create"),
        ("read:report", "read:report"),
        ("*", "*"),
    ],
)
def test_aliases_become_keys_and_foreign_keys_stay(written: str, stored: str) -> None:
    assert canonical(written) == stored


@every("written", ["", "*a", "a*", "a:*:b", "**", "*:read", "Incidents:read", "a b", "x" * 101])
def test_what_is_no_key_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"permission|\*"):
        canonical(written)
