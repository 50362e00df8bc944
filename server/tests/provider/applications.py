"""Applications (OAuth clients) for tests: made in the database, as the command line makes them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from harness import Harness

from identry.core.ids import uuid7
from identry.records import clients
from identry.records.clients import Client


@dataclass(frozen=True, slots=True)
class App:
    """An application and its secret; a public one has none."""

    client: Client
    secret: str

    @property
    def credentials(self) -> dict[str, str]:
        """As fields of a form."""
        return {"client_id": self.client.client_id, **({"client_secret": self.secret} if self.secret else {})}


async def application(app: Harness, **values: Any) -> App:
    """A new application: confidential, with a secret, unless `values` (columns of `clients`) say otherwise."""
    public = values.get("auth_method") == "none"
    fields = {"name": "Reports", "is_public": public, **values}
    now = app.clock.now()
    client = await clients.insert(app.db, uuid7(app.clock), f"app-{secrets.token_hex(6)}", fields, now=now)
    assert client is not None
    if client.auth_method != "client_secret":
        return App(client, "")
    secret = secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).digest()
    await clients.add_secret(app.db, uuid7(app.clock), client.id, digest, now=now, others_until=now)
    return App(client, secret)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token of ours; its signature is tested elsewhere."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
