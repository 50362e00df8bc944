"""Where a request came from, as far as the audit log and the limits care. No HTTP below this point."""

from __future__ import annotations

from dataclasses import dataclass

from identry.core.address import ClientAddress


@dataclass(frozen=True, slots=True)
class Origin:
    """The caller's address and trace.

    Attributes:
        client: the client's address (the right-most untrusted hop); limits count by it.
        user_agent: at most 512 characters, control characters removed.
        request_id: the id echoed as `X-Request-ID`.
    """

    client: ClientAddress = ClientAddress(None)
    user_agent: str | None = None
    request_id: str | None = None

    @property
    def ip(self) -> str | None:
        """The address in canonical form, or None when there is none; for audit rows."""
        return None if self.client.ip is None else str(self.client.ip)


SYSTEM = Origin()
"""No request at all: a command, a background task."""
