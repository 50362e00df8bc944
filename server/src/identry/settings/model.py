# ruff: noqa: RUF009 - the functions of `group` are dataclasses.field with the documentation attached
"""Every setting of the server: the class that the documents, the checks and the code read."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from identry.core.cores import usable_cores
from identry.settings import passkeys
from identry.settings import values as v
from identry.settings.provider import ProviderSettings
from identry.settings.variables import group

_accounts = group("Accounts")
_browser = group("Browser sign-in")
_passwords = group("Passwords and limits")
_machines = group("Machines and other services")
_mail = group("Mail")
_import = group("Import from Finance")

DEFAULT_FRONTEND_URL = "https://app.kisum.io"
"""That of contracts/platform-api.md §11."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ProviderSettings):
    """The whole configuration, frozen. Field names are the variables' names in lower case."""

    public_registration_enabled: bool = _accounts(
        "false", v.boolean, "Opens `POST /auth/register`; accounts wait for approval by staff."
    )
    auth_policy: str = _accounts(
        "standard",
        v.choice("standard", "restricted"),
        "`restricted`: no password sign-in or registration, single sign-on only.",
    )
    auth_allowed_email_domains: tuple[str, ...] = _accounts(
        "",
        v.domains,
        "Domains of the addresses that may get an account, comma-separated: `acme.com` is exact, `*.acme.com` its "
        "sub-domains. Empty: every domain.",
        required="with `AUTH_POLICY=restricted`",
    )
    invitation_ttl: timedelta = _accounts("168h", v.duration("1m", "8760h"), "Lifetime of an invitation.")
    bootstrap_admin_email: str = _accounts(
        "",
        v.optional(v.bare_address),
        "Address of the first platform superadmin, made at start when there is none yet.",
        shown_default="`identry dev`: `admin@example.com`",
    )
    bootstrap_admin_password: v.Secret = _accounts(
        "",
        v.secret,
        "Its password.",
        shown_default="`identry dev`: made once and kept in `.identry/`",
        secret=True,
    )
    bootstrap_admin_password_hash: v.Secret = _accounts(
        "", v.secret, "Instead of the password: its hash (PHC string of Argon2id, or bcrypt).", secret=True
    )

    api_public_url: str = _browser(
        "",
        v.optional(v.url("http", "https")),
        "Address of this server as browsers know it; `iss` of the tokens under `/api/v1`. Without it and "
        "`APP_BASE_URL` those routes do not exist.",
        shown_default="development: `http://localhost:{PORT}`",
    )
    app_base_url: str = _browser(
        "",
        v.optional(v.url("http", "https")),
        "Address of the single-page app: `aud` of its tokens is this origin, links and redirects lead there.",
        shown_default="development: `API_PUBLIC_URL`",
    )
    allow_origins: tuple[str, ...] = _browser(
        "",
        v.origins,
        "Origins whose pages may read answers under `/api/v1`, comma-separated and exact: `https://cloud.example.com`.",
    )
    refresh_cookie_samesite: str = _browser(
        "strict",
        v.choice("strict", "lax", "none"),
        "`SameSite` of the refresh cookie. `none` when app and server are different sites; it needs HTTPS.",
    )
    access_token_expire_minutes: int = _browser(
        "60", v.number(1, 1440), "Lifetime of an access token under `/api/v1`, in minutes."
    )
    refresh_token_expire_days: int = _browser(
        "7", v.number(1, 365), "Horizon of a session under `/api/v1`, in days: it ends this long after sign-in."
    )
    browser_token_alg: str = _browser(
        "RS256",
        v.choice("RS256", "HS256"),
        "How tokens under `/api/v1` are signed. `HS256`: with a key derived from `SECRET_KEY`; then no other service "
        "can verify them.",
    )
    mfa_issuer: str = _browser("MonozuCloud", v.line, "Name of this service in authenticator apps.")
    mfa_required: bool = _browser("false", v.boolean, "Demands a second factor of everybody, whatever a tenant says.")
    totp_encryption_key: v.Secret = _browser(
        "",
        v.secret,
        "Root of the key that encrypts authenticator secrets, 32 characters or more.",
        shown_default="derived from `SECRET_KEY`",
        secret=True,
    )
    webauthn_rp_id: str = _browser(
        "",
        passkeys.domain,
        "Domain that passkeys are bound to: the host of `APP_BASE_URL`, or a domain above it that is yours alone. "
        "Changing it makes every passkey worthless.",
        shown_default="the host of `APP_BASE_URL`",
    )
    ms_client_id: str = _browser(
        "", v.line, "Entra ID: client id. With the secret and both addresses above, Microsoft sign-in is on."
    )
    ms_client_secret: v.Secret = _browser("", v.secret, "Entra ID: client secret.", secret=True)
    ms_authority_url: str = _browser(
        "https://login.microsoftonline.com",
        v.url("https", "http"),
        "Entra ID: the cloud's sign-in address, for sovereign clouds; issuers are `{MS_AUTHORITY_URL}/{tid}/v2.0`.",
    )

    oidc_allowed_private_networks: tuple[v.Network, ...] = _browser(
        "",
        v.networks,
        "Networks in which identity providers of tenants may live besides the public Internet, comma-separated: "
        "`10.20.0.0/16`. Whoever edits a tenant's single sign-on can have this server connect to every port there. In "
        "development `http:` is accepted for those on the loopback interface.",
    )
    dns_servers: tuple[str, ...] = _browser(
        "",
        v.name_servers,
        "Name servers that are asked whether a tenant owns an e-mail domain, comma-separated: `192.0.2.53`, "
        "`[2001:db8::53]:53`.",
        shown_default="those of the system",
    )

    argon2_time: int = _passwords("3", v.number(1, 100), "Argon2id passes.")
    argon2_memory: int = _passwords("65536", v.number(8, 4_194_304), "Argon2id memory in KiB.")
    argon2_threads: int = _passwords("4", v.number(1, 64), "Argon2id lanes.")
    argon2_keylen: int = _passwords("32", v.number(16, 128), "Argon2id hash length in bytes.")
    hash_threads: int = _passwords(
        "0", v.number(0, 256), "Passwords hashed at once by each worker. `0`: the cores divided by the workers."
    )
    hash_queue: int = _passwords(
        "0", v.number(0, 100_000), "Logins that may wait for a hash; more get 503. `0`: 16 for each thread."
    )
    password_min_length: int = _passwords("8", v.number(8, 128), "Shortest new password, in characters.")
    password_reset_ttl: timedelta = _passwords("60m", v.duration("1m", "48h"), "Lifetime of a reset link.")
    rate_limit_fail_closed_login: bool = _passwords(
        "true",
        v.boolean,
        "With Redis down, `true` answers logins with 503; `false` goes on, and each worker counts for itself.",
    )
    expose_password_reset_token: bool = _passwords(
        "false", v.boolean, "Puts the reset token into the answer. Development only; refused elsewhere."
    )

    internal_api_key: tuple[v.Secret, ...] = _machines(
        "",
        v.secrets,
        "Key of the machine routes under `/internal` (`X-Internal-API-Key`); unset, those routes do not exist. "
        "Two keys, comma-separated, while rotating.",
        shown_default="none; `identry dev`: made once and kept in `.identry/`",
        secret=True,
    )
    auth_internal_api_key: v.Secret = _machines(
        "", v.secret, "A second key accepted by `GET /auth/me/access`.", secret=True
    )
    finance_database_url: v.Secret = _machines(
        "",
        v.optional_secret(v.secret_url("postgres", "postgresql")),
        "Finance PostgreSQL, read only: company resolve and `identry finance-migrate`.",
        secret=True,
    )
    core_url: str = _machines(
        "",
        v.optional(v.url("http", "https")),
        "Core service that tells what a company owns.",
        shown_default="none: the built-in plans",
    )
    core_api_key: v.Secret = _machines(
        "", v.secret, "What Core wants to see in `X-Internal-API-Key`.", shown_default="none is sent", secret=True
    )
    entitlements_file: Path | None = _machines(
        "",
        v.folder,
        "JSON catalogue of plans, modules and permissions that replaces the built-in one.",
        shown_default="the catalogue that comes with this release",
    )

    email_enabled: bool = _mail("true", v.boolean, "`false`: no mail leaves.")
    frontend_url: str = _mail(
        DEFAULT_FRONTEND_URL,
        v.url("http", "https"),
        "Web app; links in mail start with it. Resets lead back to where they were asked for.",
    )
    email_from: str = _mail(
        "", v.optional(v.address), "Sender, verified with the mail service.", required="to send mail"
    )
    email_app_name: str = _mail("Kisum Auth", v.line, "Product name in subjects and texts.")
    email_logo_url: str = _mail(
        "",
        v.optional(v.url("http", "https")),
        "Image at the top of HTML mail.",
        shown_default="`{FRONTEND_URL}/logo_white.png`",
    )
    email_templates_path: Path | None = _mail("", v.folder, "Folder of templates that replace the built-in ones.")
    ses_aws_region: str = _mail("", v.line, "Amazon SES: region.", required="for SES, all three with EMAIL_FROM")
    ses_aws_access_key_id: str = _mail("", v.line, "Amazon SES: access key with `ses:SendEmail`.")
    ses_aws_secret_access_key: v.Secret = _mail("", v.secret, "Amazon SES: secret of that key.", secret=True)
    smtp_url: v.Secret = _mail(
        "",
        v.optional_secret(v.secret_url("smtp", "smtps")),
        "SMTP instead of SES: `smtp://user:password@host:587` (STARTTLS), `smtps://…:465`.",
        secret=True,
    )

    migrate_user_table: str = _import("User", v.identifier, "Finance's table of users.")
    migrate_company_membership_table: str = _import(
        "CompanyMembership", v.identifier, "Finance's table of company memberships."
    )
    migrate_business_unit_membership_table: str = _import(
        "BusinessUnitMembership", v.identifier, "Finance's table of business-unit memberships."
    )
    migrate_company_table: str = _import(
        "Company", v.identifier, "Finance's table of companies: company resolve, and whether a company exists."
    )
    migrate_columns: tuple[str, ...] = _import(
        "",
        v.column_names,
        "Columns that have other names than Prisma gives them, comma-separated: `User.email=mail,Company.name=title`.",
    )

    @property
    def is_development(self) -> bool:
        """Whether `APP_ENV` is `development`."""
        return self.app_env == "development"

    @property
    def browser_api_url(self) -> str:
        """Where browsers reach this server; empty when `/api/v1` is not served."""
        if self.is_development:
            return self.api_public_url or f"http://localhost:{self.port}"
        return self.api_public_url if self.app_base_url else ""

    @property
    def browser_app_url(self) -> str:
        """Where the single-page app lives; empty when `/api/v1` is not served."""
        if self.is_development:
            return self.app_base_url or self.browser_api_url
        return self.app_base_url if self.api_public_url else ""

    @property
    def passkey_domain(self) -> str:
        """What passkeys are bound to; empty where there can be none: no browser surface, or an app without a domain."""
        host = urlsplit(self.browser_app_url).hostname or ""
        return "" if passkeys.is_address(host) else (self.webauthn_rp_id or host) if host else ""

    @property
    def issuer_url(self) -> str:
        """`iss` of the provider; empty when there is none."""
        return self.oauth_issuer or (f"http://localhost:{self.port}" if self.is_development else "")

    @property
    def admin_listener(self) -> int:
        """The admin port; 0 when there is none: no provider, or its routes are under `/manage` of the main port."""
        if not self.issuer_url:
            return 0
        return self.admin_port if self.admin_port is not None else 0 if self.is_development else 8081

    @property
    def longest_access_token(self) -> timedelta:
        """How long an access token of any surface can live: what retiring keys and revocation marks wait for."""
        browser = timedelta(minutes=self.access_token_expire_minutes)
        return max(self.access_token_ttl, browser, self.oauth_access_token_ttl)

    @property
    def microsoft_login(self) -> bool:
        """Whether everything that sign-in with Microsoft needs is there."""
        return bool(self.ms_client_id and self.ms_client_secret and self.api_public_url and self.app_base_url)

    @property
    def hashing_threads(self) -> int:
        """How many passwords one worker hashes at once."""
        return self.hash_threads or max(1, usable_cores() // self.workers)

    @property
    def hashing_queue(self) -> int:
        """How many logins may wait for a hash in one worker."""
        return self.hash_queue or 16 * self.hashing_threads

    @property
    def logo_url(self) -> str:
        """The image at the top of HTML mail."""
        return self.email_logo_url or f"{self.frontend_url}/logo_white.png"

    @property
    def finance_columns(self) -> dict[str, str]:
        """`Table.field` → the column's name, for those that `MIGRATE_COLUMNS` renames."""
        return dict(pair.split("=", 1) for pair in self.migrate_columns)

    @property
    def access_keys(self) -> tuple[v.Secret, ...]:
        """Every key that `GET /auth/me/access` accepts."""
        return (*self.internal_api_key, *((self.auth_internal_api_key,) if self.auth_internal_api_key else ()))
