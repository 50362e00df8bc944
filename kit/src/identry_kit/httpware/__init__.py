"""Middlewares in pure ASGI 3: they buffer nothing, import no framework, and pass streams and WebSockets on.

Outermost first: RequestID → Logger → SecurityHeaders → BodyLimit → Recover → Timeout (that is `standard_stack`), then
`jwtauth`, then RateLimiter and the gates. `Metrics` goes around all of them. Each may be used alone. An outer layer's
wrapped `send` is shared by the inner ones (`exchange`).

Source: third seed, package `httpware`; contracts/kit.md §3.
"""

from identry_kit.httpware.access import RBAC, RequireTenant
from identry_kit.httpware.bodylimit import BodyLimit
from identry_kit.httpware.exchange import Repeated
from identry_kit.httpware.headers import SECURITY_HEADERS, SecurityHeaders
from identry_kit.httpware.identity import RequestID, new_request_id
from identry_kit.httpware.logger import Logger, Sink
from identry_kit.httpware.metrics import Metrics, RequestCounts
from identry_kit.httpware.ratelimit import Buckets, CallerRateLimiter, LocalBuckets, RateLimited, RateLimiter
from identry_kit.httpware.recover import Recover
from identry_kit.httpware.sharedbuckets import RedisBuckets
from identry_kit.httpware.stack import standard_stack
from identry_kit.httpware.timeout import Timeout

__all__ = [
    "RBAC",
    "SECURITY_HEADERS",
    "BodyLimit",
    "Buckets",
    "CallerRateLimiter",
    "LocalBuckets",
    "Logger",
    "Metrics",
    "RateLimited",
    "RateLimiter",
    "Recover",
    "RedisBuckets",
    "Repeated",
    "RequestCounts",
    "RequestID",
    "RequireTenant",
    "SecurityHeaders",
    "Sink",
    "Timeout",
    "new_request_id",
    "standard_stack",
]
