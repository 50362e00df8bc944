"""What the service is told, read once at the start. The defaults fit `identry dev` on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything from the environment. Addresses hold passwords, so they stay out of `repr`."""

    issuer: str
    """`iss` of the tokens: Identry's JWT_ISSUER, compared exactly."""
    audience: str
    """`aud` of the tokens: Identry's JWT_AUDIENCE."""
    jwks_url: str
    """Where the keys are. https, except on loopback."""
    session_url: str
    """Identry's address, to ask on each request whether the session still lives; empty: tokens are good until `exp`."""
    database_url: str = field(repr=False)
    """`postgresql+asyncpg://…` for the feature policies; empty: in memory."""
    redis_url: str = field(repr=False)
    """Where limits are counted for all processes; empty: each process counts for itself."""
    ai_provider: str
    ai_key: str = field(repr=False)
    """Empty: narration answers 503."""
    ai_model: str
    ai_url: str
    docs: bool
    """Whether to serve the API's documentation. It needs a softer Content-Security-Policy: for development."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """The only reading of the environment."""
        return cls(
            issuer=env.get("JWT_ISSUER", "auth.primuse.dev"),
            audience=env.get("JWT_AUDIENCE", "primuse-apps"),
            jwks_url=env.get("JWKS_URL", "http://127.0.0.1:3097/.well-known/jwks.json"),
            session_url=env.get("SESSION_URL", ""),
            database_url=env.get("DATABASE_URL", ""),
            redis_url=env.get("REDIS_URL", ""),
            ai_provider=env.get("AI_PROVIDER", "claude"),
            ai_key=env.get("AI_API_KEY", ""),
            ai_model=env.get("AI_MODEL", "claude-sonnet-4-6"),
            ai_url=env.get("AI_URL", ""),
            docs=env.get("DOCS", "") == "1",
        )
