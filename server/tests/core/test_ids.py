"""Ids: UUIDv7, in the order of time; of the driver's kind, which is a `UUID` like any other."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import pytest

from identry.core.clock import MovableClock
from identry.core.ids import ids_of, number_of, uuid7, uuid7_at, uuid_of


def test_ids_are_version_7_and_in_the_order_of_their_time() -> None:
    clock, made = MovableClock(), []
    for _ in range(20):
        made.append(uuid7(clock))
        clock.advance(1)
    assert {(one.version, one.variant) for one in made} == {(7, uuid4().variant)}
    assert made == sorted(made)
    first, last = ids_of(number_of(made[0]))
    assert first <= made[0] <= last


def test_an_instant_without_random_bits_is_the_smallest_id_of_it() -> None:
    assert uuid7_at(1) == UUID("00000000-0001-7000-8000-000000000000")
    assert uuid7_at(1, (1 << 74) - 1) == UUID("00000000-0001-7fff-bfff-ffffffffffff")
    assert uuid7_at((1 << 48) + 1) == uuid7_at(1)


def test_a_uuid_of_bytes_is_the_same_as_any_other() -> None:
    plain = uuid4()
    made = uuid_of(plain.bytes)
    assert isinstance(made, UUID)
    assert (made, str(made), hash(made)) == (plain, str(plain), hash(plain))
    assert (made.bytes, made.int) == (plain.bytes, plain.int)
    assert {plain: "found"}[made] == "found"
    assert msgspec.json.encode([made]) == msgspec.json.encode([plain])
    for wrong in (b"", plain.bytes[:-1], plain.bytes + b"x"):
        with pytest.raises(ValueError):  # noqa: PT011 - the driver's own words
            uuid_of(wrong)
