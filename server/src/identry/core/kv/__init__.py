"""Small shared state between workers: cached values, sliding windows, messages.

Owns: the `KV` protocol and its two engines, `MemoryKV` (this process alone) and `RedisKV` (import it from
`identry.core.kv.redis`, so that a deployment without Redis never loads the driver), and `RevocationMarks`.

Never: the truth. Everything in here may be lost at any moment; sessions are enforced from PostgreSQL, and a caller
that meets `KVUnavailable` goes on without (a cache, a mark) or decides by its own rule (a limit).
"""

from identry.core.kv.marks import RevocationMarks
from identry.core.kv.memory import MemoryKV
from identry.core.kv.protocol import KV, Callback, Hit, KVUnavailable

__all__ = ["KV", "Callback", "Hit", "KVUnavailable", "MemoryKV", "RevocationMarks"]
