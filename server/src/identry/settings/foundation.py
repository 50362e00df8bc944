# ruff: noqa: RUF009 - the functions of `group` are dataclasses.field with the documentation attached
"""The settings that every deployment has whatever it serves: the process, its stores, its keys."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

from identry.settings import pems
from identry.settings import values as v
from identry.settings.variables import group

_server = group("Server")
_data = group("PostgreSQL and Redis")
_tokens = group("Tokens and keys")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """The first part of `Settings`; the documents list it first."""

    app_env: str = _server(
        "",
        v.line,
        "`development` relaxes what is required below and makes keys of its own. Anything else is production.",
    )
    host: str = _server("0.0.0.0", v.line, "Address to listen on.")  # noqa: S104 - the contract's default
    port: int = _server("3097", v.number(0, 65535), "Port to listen on.")
    workers: int = _server("1", v.number(1, 256), "Worker processes of `identry serve`. More than one needs Redis.")
    shutdown_grace: timedelta = _server(
        "10s",
        v.duration("1s", "10m"),
        "How long requests in flight may take after SIGTERM. A second SIGTERM ends at once.",
    )
    shutdown_delay: timedelta = _server(
        "2s",
        v.duration("0s", "5m"),
        "How long after SIGTERM new requests are still answered while `/ready` says 503, so that load balancers look "
        "away first. Part of `SHUTDOWN_GRACE`, at most half of it.",
    )
    trusted_proxy_cidrs: tuple[v.Network, ...] = _server(
        "",
        v.networks,
        "Networks of your reverse proxies, comma-separated. Only from them is `X-Forwarded-For` believed.",
    )
    log_level: str = _server("INFO", v.choice("DEBUG", "INFO", "WARNING", "ERROR"), "Least severe line to log.")
    log_format: str = _server("json", v.choice("json", "console"), "`json` for machines, `console` for people.")
    metrics_host: str = _server("127.0.0.1", v.line, "Address of the Prometheus port.")
    metrics_port: int = _server(
        "0", v.number(0, 65535), "Port for Prometheus (`/metrics`), apart from the public one. `0`: none."
    )
    metrics_dir: Path | None = _server(
        "",
        v.folder,
        "Folder in which workers leave their figures for that port, each server in a new one below it.",
        shown_default="the system's folder for temporary files",
    )
    otel_exporter_otlp_endpoint: str = _server(
        "", v.optional(v.url("http", "https")), "OpenTelemetry collector; needs the extra `identry[otel]`."
    )

    database_url: v.Secret = _data(
        "",
        v.optional_secret(v.secret_url("postgres", "postgresql")),
        "PostgreSQL, 14 or newer: `postgresql://user:password@host:5432/auth?sslmode=require`.",
        required="in production",
        shown_default="`identry dev`: an embedded PostgreSQL; development: `postgresql://postgres:postgres@localhost:5432/auth`",
        secret=True,
    )
    db_pool_size: int = _data("10", v.number(1, 500), "Connections to PostgreSQL that each worker may hold.")
    database_timeout: timedelta = _data(
        "1900ms",
        v.duration("100ms", "60s"),
        "How long all that one request asks of PostgreSQL may take, waiting for a connection included; a request that "
        "needs longer gets 503.",
    )
    migrations_path: Path | None = _data(
        "",
        v.folder,
        "Folder of golang-migrate files to apply at start.",
        shown_default="the `migrations` that come with this release",
    )
    redis_url: v.Secret = _data(
        "",
        v.optional_secret(v.secret_url("redis", "rediss", "unix")),
        "Redis 6 or newer, or Valkey: `redis://localhost:6379/0`, `rediss://:password@host:6380/0`.",
        required="in production, and with more than one worker",
        shown_default="development: an in-process stand-in for one worker",
        secret=True,
    )
    redis_timeout: timedelta = _data(
        "200ms",
        v.duration("10ms", "10s"),
        "How long one command may take, connecting included; a Redis that is slower counts as away.",
    )
    session_retention: timedelta = _data(
        "720h", v.duration("1h", "87600h"), "How long ended sessions stay on record before they are dropped."
    )
    audit_retention: timedelta | None = _data(
        "",
        v.optional_duration("24h", "876000h"),
        "How long audit events stay on record before they are dropped, whole months at a time.",
        shown_default="for ever",
    )

    secret_key: v.Secret = _tokens(
        "",
        v.secret,
        "Root of every key that encrypts or tags data at rest, 32 characters or more: `openssl rand -base64 48`. "
        "Losing it makes encrypted columns unreadable and ends every session. Set it before the signing key changes.",
        shown_default="derived from `JWT_SIGNING_KEY_PEM`; development: made once and kept in `.identry/`",
        secret=True,
    )
    jwt_signing_key_pem: v.Secret = _tokens(
        "",
        v.optional_secret(pems.private_pem),
        "RSA private key (PKCS#8 or PKCS#1 PEM, 2048 bits or more) that signs access tokens: "
        "`openssl genrsa 3072`. Several lines in quotes, or one line with `\\n`.",
        required="in production",
        shown_default="development: made once and kept in `.identry/`",
        secret=True,
    )
    jwt_public_key_pem: str = _tokens(
        "",
        v.optional(pems.public_pem),
        "Public key to verify with, only for unusual set-ups.",
        shown_default="derived from the private key",
    )
    jwt_kid: str = _tokens("default", v.line, "Key id (`kid`) of the key above in the JWKS.")
    key_rotation_age: timedelta = _tokens(
        "0s",
        v.duration("0s", "17520h"),
        "How old the signing key may become before the servers make its successor, of the same algorithm: published at "
        "once, signing when every verifier has seen it, the old one kept until its last token has expired. `0`: only "
        "`identry keys rotate` does it.",
    )
    jwt_issuer: str = _tokens("auth.primuse.dev", v.line, "`iss` of access tokens.")
    jwt_audience: str = _tokens("primuse-apps", v.line, "`aud` of access tokens.")
    access_token_ttl: timedelta = _tokens(
        "24h", v.duration("30s", "168h"), "Lifetime of an access token. `15m` is recommended."
    )
    refresh_token_ttl: timedelta = _tokens(
        "720h",
        v.duration("1m", "17520h"),
        "Horizon of a session: it ends this long after login, however often refreshed.",
    )
    refresh_grace: timedelta = _tokens(
        "10s",
        v.duration("0s", "5m"),
        "How long a just-replaced refresh token still answers with the same successor. `0`: never.",
    )
    jwt_secret: v.Secret = _tokens(
        "", v.secret, "Legacy, not read: tokens are signed with the key above.", shown_default="ignored", secret=True
    )
