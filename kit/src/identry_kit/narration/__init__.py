"""AI's texts, kept: a second reader of the same thing waits for nothing and costs nothing.

`cache_key` makes a key from what a text is made of, `NarrationCache` keeps texts by tenant and key in memory,
`get_or_make` makes each once however many want it. `narration.sql.SQLNarrations` (extra `sqlalchemy`) below it keeps
them over restarts. `NarrationCacher` is the seam between the two.

Source: third seed, package `ainarration`; contracts/kit.md §10.
"""

from identry_kit.narration.cache import DEFAULT_CAPACITY, DEFAULT_TTL, NarrationCache, NarrationCacher
from identry_kit.narration.key import cache_key
from identry_kit.narration.output import Narration

__all__ = ["DEFAULT_CAPACITY", "DEFAULT_TTL", "Narration", "NarrationCache", "NarrationCacher", "cache_key"]
