"""A pushed request: the client proves itself, the request is checked as if it had come by a browser, and is kept."""

from __future__ import annotations

from identry.core.limits import PUSHED_REQUEST, Limiter
from identry.core.origin import Origin
from identry.oauth.authorization import Asked
from identry.oauth.client_proof import ClientProof, Presented
from identry.oauth.errors import OAuthRequestError, UnknownRedirect
from identry.oauth.request_checks import RequestChecks
from identry.oauth.waiting import WaitingRequests


class PushedRequest:
    """Keeps requests for a browser that comes soon."""

    def __init__(self, limiter: Limiter, proof: ClientProof, checks: RequestChecks, waiting: WaitingRequests) -> None:
        self._limiter = limiter
        self._proof = proof
        self._checks = checks
        self._waiting = waiting

    async def __call__(self, asked: Asked, presented: Presented, origin: Origin) -> str:
        """The `request_uri` of a request.

        Raises:
            InvalidClient: the client did not prove itself.
            BadRequest: the request is not one that could be answered (one of `oauth.errors`).
            RateLimited, ServiceUnavailable: too many; limiter, database or keys cannot tell.
        """
        await self._limiter.spend(PUSHED_REQUEST, origin.ip)
        client = await self._proof(presented)
        if asked.request_uri:
            raise OAuthRequestError("request_uri cannot be pushed")
        try:
            target = self._checks.target_of(client, asked)
        except UnknownRedirect:
            raise OAuthRequestError("redirect_uri is not registered for this client") from None
        request = await self._checks(asked, client, target, pushed=True)
        return await self._waiting.push(client, request)
