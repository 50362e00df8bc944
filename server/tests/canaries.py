"""A secret as it may turn up where it does not belong."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus


def disguises(canary: str) -> set[str]:
    """A secret as a careless program may write it."""
    raw = canary.encode()
    return {
        canary,
        quote(canary, safe=""),
        quote_plus(canary),
        json.dumps(canary)[1:-1],
        repr(canary)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        canary[::-1],
        canary[4:-4],
    }
