"""Entitlements from the Core service over HTTP: asked often, believed for a minute, never beyond.

`GET {CORE_URL}/internal/companies/{companyId}/entitlements` with `X-Internal-API-Key`, bare or in the platform's
envelope: `{"modules": ["finance"], "entitlementVersion": 7}`, optionally with `permissions`; without them each module
has those of the catalogue. An answer proves what a company owns for `PROVEN` seconds. For the first `FRESH` of them
Core is not asked again; after that it is, and only when it fails does the proven answer stand in. One older than that
proves nothing: 503. An answer with a lower version than a proven one comes from a copy that lags and proves nothing.
"""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

import msgspec
import structlog
from msgspec import Meta

from identry.core.clock import Clock
from identry.core.kv import KV, KVUnavailable
from identry.core.outbound import JsonClient, OutboundError
from identry.entitlements.catalogue import Catalogue, Permission
from identry.entitlements.port import EntitlementsUnavailable, Owned

log = structlog.get_logger(__name__)

FRESH = 5.0
PROVEN = 60.0
_PAUSE = 1.0
"""Seconds without asking after Core failed: a Core that is down must not slow every request by its time-out."""

_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class _Answer(msgspec.Struct, rename="camel", frozen=True):
    modules: list[_Name]
    entitlement_version: Annotated[int, Meta(ge=0)]
    permissions: list[Permission] | None = None


class _Proven(msgspec.Struct, frozen=True, array_like=True):
    """What the shared cache holds of a company."""

    modules: frozenset[str]
    permissions: frozenset[str]
    version: int
    proof: str
    at: float

    @property
    def owned(self) -> Owned:
        return Owned(self.modules, self.permissions, self.version, self.proof)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Proven).decode


class CoreEntitlements:
    """`Entitlements` of a deployment with a Core service.

    Args:
        client: with time-out, size limit and the key that Core wants.
        url: of Core, without a trailing slash.
        kv: shares answers between workers; without it every request asks Core.
    """

    def __init__(self, client: JsonClient, url: str, kv: KV, clock: Clock, catalogue: Catalogue) -> None:
        self._client = client
        self._url = url
        self._kv = kv
        self._clock = clock
        self._catalogue = catalogue
        self._asking: dict[UUID, asyncio.Task[Owned]] = {}
        self._paused_until = 0.0

    async def owned(self, company_id: UUID) -> Owned:
        """See `Entitlements.owned`."""
        proven = await self._recall(company_id)
        age = self._clock.timestamp() - proven.at if proven else PROVEN
        if proven and 0 <= age < FRESH:
            return proven.owned
        try:
            return await self._ask_once(company_id, proven.version if proven else 0)
        except OutboundError as error:
            log.warning("Core did not tell what a company owns", company_id=str(company_id), reason=str(error))
            if proven and 0 <= age < PROVEN:
                return proven.owned
            raise EntitlementsUnavailable(str(error)) from error

    async def owned_with(self, company_id: UUID, plan: str | None, plan_version: int) -> Owned:  # noqa: ARG002
        """See `Entitlements.owned_with`; our own rows say nothing here."""
        return await self.owned(company_id)

    async def _ask_once(self, company_id: UUID, at_least: int) -> Owned:
        """Ask Core; callers who want the same company at the same time share one request.

        Raises:
            OutboundError: Core did not tell.
        """
        task = self._asking.get(company_id)
        if task is None:
            if asyncio.get_running_loop().time() < self._paused_until:
                raise OutboundError("it failed a moment ago")
            task = asyncio.create_task(self._ask(company_id, at_least))
            self._asking[company_id] = task
            task.add_done_callback(lambda done: self._finished(company_id, done))
        return await asyncio.shield(task)

    def _finished(self, company_id: UUID, task: asyncio.Task[Owned]) -> None:
        self._asking.pop(company_id, None)
        if not task.cancelled():
            task.exception()  # looked at, also when every caller has gone

    async def _ask(self, company_id: UUID, at_least: int) -> Owned:
        asked_at = self._clock.timestamp()
        try:
            reply = await self._client.get(f"{self._url}/internal/companies/{company_id}/entitlements")
            if reply.status >= 500:
                raise OutboundError(f"status {reply.status}")
        except OutboundError:
            self._paused_until = asyncio.get_running_loop().time() + _PAUSE
            raise
        owned = self._read(reply.status, reply.body)
        if owned.version < at_least:
            raise OutboundError(f"version {owned.version} is older than {at_least}, known before")
        await self._remember(company_id, owned, asked_at)
        return owned

    def _read(self, status: int, body: object) -> Owned:
        """What an answer says.

        Raises:
            OutboundError: nothing that can be relied on.
        """
        if status == 404 and _says_not_found(body):
            return Owned.of((), (), 0)  # Core knows no such company: it owns nothing
        if status != 200:
            raise OutboundError(f"status {status}")
        data = body["data"] if isinstance(body, dict) and isinstance(body.get("data"), dict) else body
        try:
            answer = msgspec.convert(data, _Answer)
        except msgspec.ValidationError as error:
            raise OutboundError(f"the answer has another shape: {error}") from None
        permissions = self._catalogue.permissions_of(answer.modules)
        if answer.permissions is not None:
            permissions = frozenset(answer.permissions)
        return Owned.of(answer.modules, permissions, answer.entitlement_version)

    async def _recall(self, company_id: UUID) -> _Proven | None:
        try:
            raw = await self._kv.get(_key(company_id))
        except KVUnavailable:
            return None
        try:
            return _decode(raw) if raw else None
        except msgspec.MsgspecError:
            return None

    async def _remember(self, company_id: UUID, owned: Owned, at: float) -> None:
        value = _encode(_Proven(owned.modules, owned.permissions, owned.version, owned.proof, at))
        try:
            await self._kv.set(_key(company_id), value, PROVEN)
        except KVUnavailable:
            log.debug("what a company owns was not kept: the cache does not answer")


def _key(company_id: UUID) -> str:
    return f"entitlements:core:{company_id}"


def _says_not_found(body: object) -> bool:
    """Whether a 404 speaks of the company and not of the route: it comes in the platform's envelope."""
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.get("code") == "not_found"
