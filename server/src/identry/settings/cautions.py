"""What works but should be known: said once at start and by `identry doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from identry.settings.loading import Problem
from identry.settings.model import DEFAULT_FRONTEND_URL, Settings


def warnings(settings: Settings) -> list[Problem]:
    """What its operator should know of a configuration that serves."""
    return [problem for caution in _CAUTIONS for problem in caution(settings)]


def _long_access_token(s: Settings) -> Iterator[Problem]:
    if s.access_token_ttl > timedelta(hours=1):
        hours = s.access_token_ttl / timedelta(hours=1)
        yield Problem(
            "ACCESS_TOKEN_TTL",
            f"is {hours:g}h",
            "services that check tokens by JWKS alone accept a revoked one that long; 15m is recommended",
        )
    if s.refresh_token_ttl < s.access_token_ttl:
        yield Problem("REFRESH_TOKEN_TTL", "is shorter than ACCESS_TOKEN_TTL", "sessions end before their tokens do")


def _mail(s: Settings) -> Iterator[Problem]:
    ses = {
        "SES_AWS_REGION": s.ses_aws_region,
        "SES_AWS_ACCESS_KEY_ID": s.ses_aws_access_key_id,
        "SES_AWS_SECRET_ACCESS_KEY": s.ses_aws_secret_access_key,
    }
    if not s.email_enabled:
        return
    missing = [name for name, value in ses.items() if not value]
    if 0 < len(missing) < len(ses):
        yield Problem(" and ".join(missing), "missing for SES", "mail is skipped until all are set")
    elif missing and not s.smtp_url:
        yield Problem("SES_* and SMTP_URL", "are not set", "mail is skipped; set one of them, or EMAIL_ENABLED=false")
    elif not s.email_from:
        yield Problem("EMAIL_FROM", "is not set", "mail is skipped until it is")
    elif not missing and s.smtp_url:
        yield Problem("SMTP_URL", "is set beside SES_*", "SES is used; unset one of them")
    if s.frontend_url == DEFAULT_FRONTEND_URL and not s.is_development:
        yield Problem("FRONTEND_URL", f"is {DEFAULT_FRONTEND_URL}", "links in mail lead there; set your own")


def _ignored(s: Settings) -> Iterator[Problem]:
    if s.jwt_secret:
        yield Problem("JWT_SECRET", "is set and ignored", "tokens are signed with JWT_SIGNING_KEY_PEM; unset it")


def _no_secret_key(s: Settings) -> Iterator[Problem]:
    if not s.secret_key and not s.is_development:
        yield Problem(
            "SECRET_KEY",
            "is not set",
            "encryption at rest hangs on JWT_SIGNING_KEY_PEM: set it before that key ever changes "
            "(openssl rand -base64 48)",
        )


def _weak(s: Settings) -> Iterator[Problem]:
    if any(len(key.reveal()) < 32 for key in s.access_keys):
        yield Problem(
            "INTERNAL_API_KEY", "is shorter than 32 characters", "it is a root credential: openssl rand -hex 32"
        )
    enough = s.argon2_memory >= 47104 or (s.argon2_memory >= 19456 and s.argon2_time >= 2)
    if not enough and not s.is_development:
        yield Problem("ARGON2_MEMORY", "makes weak hashes", "at least 19456 with ARGON2_TIME=2 (OWASP)")


def _browser_half(s: Settings) -> Iterator[Problem]:
    if not s.is_development and bool(s.api_public_url) != bool(s.app_base_url):
        missing = "APP_BASE_URL" if s.api_public_url else "API_PUBLIC_URL"
        yield Problem(missing, "is not set", "browser sign-in under /api/v1 is off until it is")
    microsoft = {
        "MS_CLIENT_ID": s.ms_client_id,
        "MS_CLIENT_SECRET": s.ms_client_secret,
        "API_PUBLIC_URL": s.api_public_url,
        "APP_BASE_URL": s.app_base_url,
    }
    lacking = [name for name, value in microsoft.items() if not value]
    if (s.ms_client_id or s.ms_client_secret) and lacking:
        yield Problem(" and ".join(lacking), "missing for Microsoft sign-in", "it is off until all four are set")


def _insecure(s: Settings) -> Iterator[Problem]:
    if s.is_development:
        return
    if s.frontend_url.startswith("http:"):
        yield Problem("FRONTEND_URL", "is not https", "reset links travel in clear")


_CAUTIONS = (_no_secret_key, _long_access_token, _mail, _ignored, _weak, _insecure, _browser_half)
