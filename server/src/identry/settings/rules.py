"""What the variables must be together: what keeps a server from starting. What is only unwise: `cautions.py`."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from identry.settings.loading import Problem, SettingsError, load
from identry.settings.model import Settings
from identry.settings.passkeys import covers
from identry.settings.values import Secret

LOCAL_DATABASE = "postgresql://postgres:postgres@localhost:5432/auth"
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_KNOWN_HASH = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$|\$2[aby]\$\d\d\$")


def for_serving(settings: Settings) -> Settings:
    """The settings with which `identry serve` runs.

    Raises:
        SettingsError: everything that keeps it from running, at once.
    """
    if problems := [problem for rule in (*_ALWAYS, *_SERVING) for problem in rule(settings)]:
        raise SettingsError(problems)
    if not settings.database_url:
        return dataclasses.replace(settings, database_url=Secret(LOCAL_DATABASE))
    return settings


def load_for_serving() -> Settings:
    """The settings of this process, fit for `identry serve`.

    Raises:
        SettingsError: what cannot be read and what keeps it from running, all at once.
    """
    try:
        return for_serving(load())
    except SettingsError as error:
        if error.readable is None:
            raise
        faulty = {problem.name for problem in error.problems}
        found = [problem for rule in (*_ALWAYS, *_SERVING) for problem in rule(error.readable)]
        raise SettingsError([*error.problems, *(p for p in found if p.name not in faulty)]) from None


def check(settings: Settings) -> None:
    """Refuse what is wrong in every mode; `identry dev` asks no more than this.

    Raises:
        SettingsError: everything that is wrong, at once.
    """
    if problems := [problem for rule in _ALWAYS for problem in rule(settings)]:
        raise SettingsError(problems)


# -- what keeps it from running --------------------------------------------------------------------------------------


def _required_in_production(s: Settings) -> Iterator[Problem]:
    if s.is_development:
        return
    needed = {
        "DATABASE_URL": (s.database_url, "set it to the Auth PostgreSQL, postgresql://user:password@host:5432/auth"),
        "REDIS_URL": (s.redis_url, "set it to Redis or Valkey, redis://host:6379/0"),
        "JWT_SIGNING_KEY_PEM": (s.jwt_signing_key_pem, "set it to the output of: openssl genrsa 3072"),
    }
    for name, (value, advice) in needed.items():
        if not value:
            yield Problem(name, "is required", f"{advice}; or set APP_ENV=development on your own machine")


def _exposed_reset_token(s: Settings) -> Iterator[Problem]:
    if s.expose_password_reset_token and not s.is_development:  # a name that nobody knows (`prod`) is production
        yield Problem(
            "EXPOSE_PASSWORD_RESET_TOKEN",
            f"is true in {s.app_env or 'production'}",
            "whoever knows an address could take the account over; unset it",
        )


def _secret_key(s: Settings) -> Iterator[Problem]:
    key = s.secret_key.reveal()
    if key and (len(key) < 32 or len(set(key)) < 10):
        yield Problem("SECRET_KEY", "is too easy to guess", "at least 32 random characters: openssl rand -base64 48")


def _workers_share(s: Settings) -> Iterator[Problem]:
    if s.workers > 1 and not s.redis_url:
        yield Problem(
            "WORKERS", f"is {s.workers} without REDIS_URL", "workers share limits through Redis: set it, or 1"
        )


def _bootstrap(s: Settings) -> Iterator[Problem]:
    password, password_hash = s.bootstrap_admin_password.reveal(), s.bootstrap_admin_password_hash.reveal()
    if (password or password_hash) and not s.bootstrap_admin_email:
        yield Problem("BOOTSTRAP_ADMIN_EMAIL", "is missing", "the password alone names nobody")
    if password and password_hash:
        yield Problem("BOOTSTRAP_ADMIN_PASSWORD", "and …_PASSWORD_HASH are both set", "set one of them")
    if password and not s.password_min_length <= len(password) <= 256:
        yield Problem("BOOTSTRAP_ADMIN_PASSWORD", f"is not {s.password_min_length} to 256 characters", "change it")
    if password_hash and not _KNOWN_HASH.match(password_hash):
        yield Problem(
            "BOOTSTRAP_ADMIN_PASSWORD_HASH", "is no Argon2id or bcrypt hash", "in .env, put it in 'single quotes'"
        )


def _bootstrap_alone(s: Settings) -> Iterator[Problem]:
    if s.bootstrap_admin_email and not (s.bootstrap_admin_password or s.bootstrap_admin_password_hash):
        yield Problem("BOOTSTRAP_ADMIN_EMAIL", "has no password", "set BOOTSTRAP_ADMIN_PASSWORD or …_PASSWORD_HASH")


def _smtp(s: Settings) -> Iterator[Problem]:
    if not s.smtp_url:
        return
    from identry.core.mail.smtp import parse_smtp_url  # loads the driver, so only where it is used

    try:
        parse_smtp_url(s.smtp_url.reveal())
    except ValueError as error:
        yield Problem("SMTP_URL", "cannot be used", str(error).removeprefix("SMTP_URL: "))


def _argon2(s: Settings) -> Iterator[Problem]:
    if s.argon2_memory < 8 * s.argon2_threads:
        yield Problem("ARGON2_MEMORY", f"is below 8 KiB for each of {s.argon2_threads} lanes", "raise it")


def _ports(s: Settings) -> Iterator[Problem]:
    if s.metrics_port and s.metrics_port == s.port:
        yield Problem("METRICS_PORT", "equals PORT", "metrics have a port of their own: change it, or 0 for none")
    if s.admin_listener and s.admin_listener in {s.port, s.metrics_port}:
        yield Problem("ADMIN_PORT", "is taken by PORT or METRICS_PORT", "change it, or 0 for routes under /manage")


def _folders(s: Settings) -> Iterator[Problem]:
    for name, folder in (("MIGRATIONS_PATH", s.migrations_path), ("EMAIL_TEMPLATES_PATH", s.email_templates_path)):
        if folder is not None and not folder.is_dir():
            yield Problem(name, f"is no folder ({folder})", "correct it, or unset it for the built-in files")
    if s.metrics_dir is not None and not s.metrics_dir.is_dir():
        yield Problem("METRICS_DIR", f"is no folder ({s.metrics_dir})", "make it, or unset it for a temporary one")
    if s.entitlements_file is not None and not s.entitlements_file.is_file():
        yield Problem("ENTITLEMENTS_FILE", f"is no file ({s.entitlements_file})", "correct it, or unset it")


def _extras(s: Settings) -> Iterator[Problem]:
    if s.otel_exporter_otlp_endpoint and importlib.util.find_spec("opentelemetry") is None:
        yield Problem("OTEL_EXPORTER_OTLP_ENDPOINT", "needs OpenTelemetry", "pip install 'identry[otel]', or unset it")


def _restricted(s: Settings) -> Iterator[Problem]:
    if s.auth_policy == "restricted" and not s.auth_allowed_email_domains:
        yield Problem(
            "AUTH_ALLOWED_EMAIL_DOMAINS",
            "is empty while AUTH_POLICY is restricted",
            "name the domains of your people, acme.com,*.acme.com; or set AUTH_POLICY=standard",
        )


def _cookie(s: Settings) -> Iterator[Problem]:
    if s.refresh_cookie_samesite == "none" and not s.browser_api_url.startswith("https:"):
        yield Problem(
            "REFRESH_COOKIE_SAMESITE",
            "is none without https",
            "browsers drop such a cookie: set API_PUBLIC_URL to the https address of this server, or use strict or lax",
        )


def _browser_keys(s: Settings) -> Iterator[Problem]:
    if s.browser_token_alg == "HS256" and not s.secret_key:  # noqa: S105 - the name of an algorithm
        yield Problem("BROWSER_TOKEN_ALG", "is HS256 without SECRET_KEY", "set SECRET_KEY, or unset it for RS256")
    key = s.totp_encryption_key.reveal()
    if key and (len(key) < 32 or len(set(key)) < 10):
        yield Problem(
            "TOTP_ENCRYPTION_KEY", "is too easy to guess", "at least 32 random characters: openssl rand -base64 48"
        )


def _passkeys(s: Settings) -> Iterator[Problem]:
    host = urlsplit(s.browser_app_url).hostname or ""
    if s.webauthn_rp_id and not (s.passkey_domain and covers(s.passkey_domain, host)):
        yield Problem(
            "WEBAUTHN_RP_ID",
            f"is not the host of the app or a domain above it ({host or 'there is no APP_BASE_URL'})",
            "browsers would refuse every passkey: give that host or such a domain, or unset it",
        )


def _browser_in_clear(s: Settings) -> Iterator[Problem]:
    if s.is_development:
        return
    for name, address in (("API_PUBLIC_URL", s.api_public_url), ("APP_BASE_URL", s.app_base_url)):
        if address.startswith("http:"):
            yield Problem(name, "is not https", "cookies and tokens would travel in clear: give its https address")
    if s.ms_authority_url.startswith("http:") and urlsplit(s.ms_authority_url).hostname not in _THIS_MACHINE:
        yield Problem(
            "MS_AUTHORITY_URL", "is not https", "our secret and people's codes would travel in clear: use https"
        )
    for origin in s.allow_origins:
        if origin.startswith("http:"):
            yield Problem("ALLOW_ORIGINS", f"names {origin}", "a page that is not https could be anybody's: use https")


_ALWAYS: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _secret_key,
    _bootstrap,
    _argon2,
    _smtp,
    _ports,
    _folders,
    _extras,
    _restricted,
    _cookie,
    _browser_keys,
    _passkeys,
)
_SERVING = (_browser_in_clear, _required_in_production, _exposed_reset_token, _workers_share, _bootstrap_alone)
