"""Who tries to get in. Source: contracts/provider-api.md §12 `/threats` and `/ip-reputation/{ip}`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from uuid import UUID

from identry.core.address import canonical_address
from identry.core.address_gate import AddressGate
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7_at
from identry.flows.threats import queries
from identry.flows.threats.queries import Kind, Suspect, Tally
from identry.records import blocked_addresses
from identry.records.blocked_addresses import BlockedAddress
from identry_kit.apierror import BadRequest

DAY, MONTH = timedelta(days=1), timedelta(days=30)
_FEW = 20


class NotAnAddress(BadRequest):
    """400: it is no network address."""

    message = "send an address: 192.0.2.1 or 2001:db8::1"


@dataclass(frozen=True, slots=True)
class Overview:
    """Threats of a span of time.

    Attributes:
        succeeded, failed: sign-ins.
        kinds: of threats, the most frequent first.
        suspects: the addresses behind them, and whether each is blocked.
        blocked: how many addresses and networks are.
        risk: 0 to 100.
    """

    succeeded: int
    failed: int
    kinds: list[Kind]
    suspects: list[tuple[Suspect, bool]]
    blocked: int
    risk: int


@dataclass(frozen=True, slots=True)
class Reputation:
    """What is known of an address.

    Attributes:
        ip: in its canonical form.
        block: that it is in; None: it is not blocked.
        risk: 0 to 100.
    """

    ip: str
    block: BlockedAddress | None
    last_day: Tally
    last_month: Tally
    risk: int


class Threats:
    """Reads the audit log."""

    def __init__(self, db: Database, clock: Clock, gate: AddressGate) -> None:
        self._db = db
        self._clock = clock
        self._gate = gate

    async def overview(self, span: timedelta) -> Overview:
        """What happened since then."""
        since = self._since(span)
        kinds_seen, addresses = await queries.overview(self._db, since)
        found = {kind.name: kind for kind in kinds_seen}
        suspects = [(row, self._gate.refuses(row.ip)) for row in addresses]
        succeeded, failures = await queries.sign_ins(self._db, since)
        found.pop("failed_sign_in", None)
        kinds = sorted(found.values(), key=lambda kind: (-kind.count, kind.name))
        reused = any(name in found for name in ("refresh_token_reuse", "code_reuse", "passkey_copied"))
        blocked = await blocked_addresses.count(self._db, self._clock.now())
        return Overview(succeeded, failures, kinds, suspects, blocked, risk(failures, succeeded, reused=reused))

    async def reputation(self, text: str) -> Reputation:
        """What is known of an address; of one that was never seen, nothing.

        Raises:
            NotAnAddress: the text is none.
        """
        ip = canonical_address(text)
        if ip is None:
            raise NotAnAddress
        day, month = await queries.of_address(self._db, ip, self._since(DAY), self._since(MONTH))
        block = await blocked_addresses.find_covering(self._db, ip_address(ip), self._clock.now())
        return Reputation(ip, block, day, month, risk(month.failed, month.succeeded, reused=month.reuse > 0))

    def _since(self, span: timedelta) -> UUID:
        return uuid7_at(int((self._clock.now() - span).timestamp() * 1000))


def risk(failed: int, succeeded: int, *, reused: bool) -> int:
    """0 to 100: the share of sign-ins that failed, in per cent; 50 at least when something was used twice that is good
    once. Twenty sign-ins that went well are added, so that a few failures are no risk.
    """
    share = round(100 * failed / (failed + succeeded + _FEW))
    return max(share, 50) if reused else share
