"""The claim vocabulary: a session becomes signed tokens here, and nowhere else.

`surfaces` access tokens of the platform and of browsers · `provider` tokens of applications · `refresh` refresh tokens,
the same kind on every surface · `signing` when they are signed.
"""

from __future__ import annotations

from identry.tokens.provider import ProviderGrant, ProviderMint, acr_of, session_of_jti
from identry.tokens.refresh import RefreshToken, RefreshTokens
from identry.tokens.signing import Signer
from identry.tokens.surfaces import BrowserMint, Grant, Mint, Seat, TokenMint, TokenPair

__all__ = [
    "BrowserMint",
    "Grant",
    "Mint",
    "ProviderGrant",
    "ProviderMint",
    "RefreshToken",
    "RefreshTokens",
    "Seat",
    "Signer",
    "TokenMint",
    "TokenPair",
    "acr_of",
    "session_of_jti",
]
