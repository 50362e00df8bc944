"""What can go wrong with a call to an AI provider, said the same way for every provider.

The tree::

    AIError 502
    ├── AIMisconfigured 503      no key, no extra, unknown provider, a model that is not allowed: no request was made
    ├── AIRateLimited 503        the provider answered 429; `retry_after` as it said
    ├── AIUnavailable 503        not reached, or it answered 5xx (Anthropic's 529 is one)
    │   └── AITimedOut 504       no complete answer within the time-out
    ├── AIRefused 502            any other status but 200: it does not like the key, the model or the prompt
    ├── AINoResponse 502         200, and no text in it
    └── AIBadAnswer 502          200, and not what its API promises; or the text holds no object of the wanted shape

The statuses are what *our* caller is answered when nobody catches the error; as with every 5xx its text stays in the
log. Source: contracts/kit.md §9, `failures`.
"""

from __future__ import annotations

from identry_kit.apierror import APIError

MAX_BODY_IN_ERROR = 2048
"""Bytes of a provider's answer that an error keeps."""


class AIError(APIError):
    """A call to a provider failed. `str(error)` is for logs; it never holds the key.

    `provider` is `claude` or `openai`; `upstream_status` is the provider's status, None when there was no answer;
    `upstream_body` is what it said, at most 2 KiB, with the key blanked should it have been echoed.
    """

    status = 502
    code = "ai_error"
    message = "the AI provider failed"

    def __init__(
        self,
        message: str | None = None,
        *,
        provider: str = "",
        upstream_status: int | None = None,
        upstream_body: str = "",
        retry_after: int | None = None,
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(message, headers=headers)
        self.provider = provider
        self.upstream_status = upstream_status
        self.upstream_body = upstream_body
        self.retry_after = retry_after
        """Seconds that the provider asked to wait, None when it did not say."""


class AIMisconfigured(AIError):
    """503: the gateway cannot call anybody as it is configured. No request was made."""

    status = 503
    code = "ai_not_configured"
    message = "the AI provider is not configured"


class AIRateLimited(AIError):
    """503: the provider answered 429."""

    status = 503
    code = "ai_rate_limited"
    message = "the AI provider limits the rate"


class AIUnavailable(AIError):
    """503: the provider could not be reached, or it answered 5xx."""

    status = 503
    code = "ai_unavailable"
    message = "the AI provider is unavailable"


class AITimedOut(AIUnavailable):
    """504: no complete answer within the time-out."""

    status = 504
    code = "ai_timeout"
    message = "the AI provider took too long"


class AIRefused(AIError):
    """502: the provider will not serve this request, now or later."""

    code = "ai_refused"
    message = "the AI provider refused the request"


class AINoResponse(AIError):
    """502: the provider answered, but with no text."""

    code = "ai_no_response"
    message = "no response"


class AIBadAnswer(AIError):
    """502: the answer cannot be read, or does not hold what was asked for."""

    code = "ai_bad_answer"
    message = "the AI provider's answer cannot be read"
