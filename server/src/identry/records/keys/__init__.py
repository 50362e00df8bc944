"""Signing keys: the table `signing_keys`, and the ring that every process turns it into.

Invariants: only public members are ever published; a private half is in the table only sealed; a key's state follows
from its times, so replicas agree without talking to each other; a revoked key never comes back.
"""

from __future__ import annotations

from identry.records.keys.ring import JwkSet, KeyRing, NoSigningKey
from identry.records.keys.table import KeySchedule, KeyState, SigningKey

__all__ = ["JwkSet", "KeyRing", "KeySchedule", "KeyState", "NoSigningKey", "SigningKey"]
