"""Identifiers: UUIDv7 (RFC 9562 §5.7), time-ordered so that new rows land at the end of every index."""

from __future__ import annotations

import secrets
from uuid import UUID

from asyncpg.pgproto import pgproto

from identry.core.clock import Clock


def uuid_of(data: bytes) -> UUID:
    """The UUID of 16 bytes, of the kind that rows of the database hold: made in a twentieth of the time of a `UUID`.

    Raises:
        ValueError: they are not 16.
    """
    made: UUID = pgproto.UUID(data)
    return made


def uuid7(clock: Clock) -> UUID:
    """A new UUIDv7: 48 bits of milliseconds from `clock`, 74 random bits."""
    return uuid7_at(int(clock.timestamp() * 1000), secrets.randbits(74))


def uuid7_at(milliseconds: int, random_bits: int = 0) -> UUID:
    """The UUIDv7 of an instant; with `random_bits` 0 it is the smallest one, a boundary for time ranges."""
    rand_a, rand_b = random_bits >> 62 & 0xFFF, random_bits & (1 << 62) - 1
    number = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    return uuid_of(number.to_bytes(16))


def number_of(event_id: UUID) -> int:
    """A UUIDv7 as a number of 63 bits, for surfaces that show numbers: its time, then 15 of its random bits."""
    return event_id.int >> 80 << 15 | event_id.int & 0x7FFF


def ids_of(number: int) -> tuple[UUID, UUID]:
    """The first and the last UUIDv7 that `number_of` may have made `number` of: those of one millisecond."""
    first = uuid7_at(number >> 15)
    return first, UUID(int=first.int | (1 << 76) - 1)
