"""/api/admin/security/blocked-ips."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from identry.flows.block_addresses.service import (
    BlockAddresses,
    NotANetwork,
    NotBlocked,
    OwnAddress,
    SparedAddress,
    TooManyBlocked,
    TooWide,
)
from identry.records.blocked_addresses import BlockedAddress
from identry.web.app_reach import path_number
from identry.web.call import Answer, Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Handler, Operation

_PATH = "/api/admin/security/blocked-ips"
_EXAMPLE = {"ip_address": "192.0.2.1", "reason": "guesses passwords", "duration_hours": 24}
_ABOUT = """\
Requests from there are answered with 403 on every surface and port, but for what is the same for everybody (`/health`,
`/ready`, the public keys, discovery, this reference). Workers that cannot be told follow within seconds. What is
blocked already gets the new reason and the new end. The address of the caller, trusted proxies and the server's own
loopback cannot be blocked.
"""


class NewBlock(msgspec.Struct):
    """What to block; without `duration_hours` until it is taken back."""

    ip_address: Annotated[str, Meta(max_length=64, description="An address, or a network: `192.0.2.0/24`.")]
    reason: Annotated[str, Meta(max_length=500)] = ""
    duration_hours: Annotated[int, Meta(ge=1, le=87_600)] | None = None
    permanent: bool = False


class BlockView(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A blocked address or network; without `expires_at` until it is taken back."""

    id: int
    ip_address: str
    reason: str = msgspec.field(name="reason")
    blocked_at: datetime
    permanent: bool
    blocked_by: int | None = None
    blocked_by_email: str | None = None
    expires_at: datetime | None = None


class Blocks(msgspec.Struct, frozen=True):
    """All that is blocked, the newest first."""

    blocked_ips: list[BlockView]
    total: int


def operations(service: BlockAddresses) -> list[Operation]:
    """The room's rows of the operation table."""

    async def listing(_: Call) -> Blocks:
        found = await service.listing()
        return Blocks([_view(row) for row in found], len(found))

    async def block(call: Call) -> Answer:
        body: NewBlock = call.body
        if body.permanent and body.duration_hours is not None:
            raise InvalidRequest.field("permanent", "format", "says one thing, duration_hours another")
        ttl = None if body.duration_hours is None else timedelta(hours=body.duration_hours)
        reason = "".join(c for c in body.reason if c.isprintable()).strip()
        made, new = await service.block(body.ip_address, reason, ttl, call.actor.user.id, call.origin)
        return Answer(_view(made), 201 if new else 200)

    async def unblock(call: Call) -> Answer:
        await service.unblock(path_number(call, "id"), call.actor.user.id, call.origin)
        return Answer(b"", 204)

    return [
        _row("GET", _PATH, listing, "List blocked addresses", reply=Blocks),
        _row(
            "POST",
            _PATH,
            block,
            "Block an address or a network",
            body=NewBlock,
            reply=BlockView,
            status=201,
            also={200: "It was blocked already, and has the new reason and the new end"},
            errors=(NotANetwork, TooWide, OwnAddress, SparedAddress, TooManyBlocked),
            description=_ABOUT,
            example=_EXAMPLE,
        ),
        _row("DELETE", f"{_PATH}/{{id:number}}", unblock, "Let an address in again", status=204, errors=(NotBlocked,)),
    ]


def _row(method: str, path: str, handler: Handler, summary: str, **more: Any) -> Operation:
    return Operation(
        method, path, handler, summary, "Administration", Guard.APP_USER, surface="api", reach="platform.admin", **more
    )


def _view(row: BlockedAddress) -> BlockView:
    single = row.network.prefixlen == row.network.max_prefixlen
    return BlockView(
        id=row.number,
        ip_address=str(row.network.network_address if single else row.network),
        reason=row.reason,
        blocked_at=row.blocked_at,
        permanent=row.expires_at is None,
        blocked_by=row.by_number,
        blocked_by_email=row.by_email,
        expires_at=row.expires_at,
    )
