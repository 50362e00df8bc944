"""AI providers behind one call: OpenAI and Anthropic, through their official clients.

`AIGateway(AIConfig(...)).call(prompt)` is text, or an `AIError` that says what went wrong, the same for both. What the
text holds comes out with `extract_json` and `extract_json_into`. `for_test` points a gateway at a server of a test.

Needs the extra `openai` or `anthropic`; neither is imported before the first call. Reads no environment.

Source: third seed, package `aigateway`; contracts/kit.md §9.
"""

from identry_kit.aigateway.config import AIConfig
from identry_kit.aigateway.errors import (
    AIBadAnswer,
    AIError,
    AIMisconfigured,
    AINoResponse,
    AIRateLimited,
    AIRefused,
    AITimedOut,
    AIUnavailable,
)
from identry_kit.aigateway.gateway import AIGateway, for_test, is_configured
from identry_kit.aigateway.objects import extract_json
from identry_kit.aigateway.shapes import extract_json_into

__all__ = [
    "AIBadAnswer",
    "AIConfig",
    "AIError",
    "AIGateway",
    "AIMisconfigured",
    "AINoResponse",
    "AIRateLimited",
    "AIRefused",
    "AITimedOut",
    "AIUnavailable",
    "extract_json",
    "extract_json_into",
    "for_test",
    "is_configured",
]
