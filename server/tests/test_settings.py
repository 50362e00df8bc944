"""The configuration: exact names and defaults, every fault at once, no secret shown, unsafe combinations refused."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from rows import every

from identry import settings
from identry.settings import SettingsError, check, export, for_serving, load, load_for_serving
from identry.settings.environment import read_env_file

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PRODUCTION = {
    "DATABASE_URL": "postgresql://auth:hunter2@db/auth",
    "REDIS_URL": "redis://redis:6379/0",
    "JWT_SIGNING_KEY_PEM": PEM,
    "SECRET_KEY": "aB3$" * 3 + "random characters of 32 or more",
}
CONTRACT = {
    "HOST": ("host", "0.0.0.0"),
    "PORT": ("port", 3097),
    "JWT_KID": ("jwt_kid", "default"),
    "JWT_ISSUER": ("jwt_issuer", "auth.primuse.dev"),
    "JWT_AUDIENCE": ("jwt_audience", "primuse-apps"),
    "ACCESS_TOKEN_TTL": ("access_token_ttl", timedelta(hours=24)),
    "REFRESH_TOKEN_TTL": ("refresh_token_ttl", timedelta(hours=720)),
    "APP_ENV": ("app_env", ""),
    "INTERNAL_API_KEY": ("internal_api_key", ()),
    "PUBLIC_REGISTRATION_ENABLED": ("public_registration_enabled", False),
    "ARGON2_TIME": ("argon2_time", 3),
    "ARGON2_MEMORY": ("argon2_memory", 65536),
    "ARGON2_THREADS": ("argon2_threads", 4),
    "ARGON2_KEYLEN": ("argon2_keylen", 32),
    "RATE_LIMIT_FAIL_CLOSED_LOGIN": ("rate_limit_fail_closed_login", True),
    "EXPOSE_PASSWORD_RESET_TOKEN": ("expose_password_reset_token", False),
    "EMAIL_ENABLED": ("email_enabled", True),
    "FRONTEND_URL": ("frontend_url", "https://app.kisum.io"),
    "EMAIL_APP_NAME": ("email_app_name", "Kisum Auth"),
    "REFRESH_GRACE": ("refresh_grace", timedelta(seconds=10)),
    "TRUSTED_PROXY_CIDRS": ("trusted_proxy_cidrs", ()),
    "INVITATION_TTL": ("invitation_ttl", timedelta(hours=168)),
    "PASSWORD_RESET_TTL": ("password_reset_ttl", timedelta(minutes=60)),
    "SHUTDOWN_GRACE": ("shutdown_grace", timedelta(seconds=10)),
    "ACCESS_TOKEN_EXPIRE_MINUTES": ("access_token_expire_minutes", 60),
    "REFRESH_TOKEN_EXPIRE_DAYS": ("refresh_token_expire_days", 7),
    "MFA_ISSUER": ("mfa_issuer", "MonozuCloud"),
    "AUTH_POLICY": ("auth_policy", "standard"),
    "AUTH_ALLOWED_EMAIL_DOMAINS": ("auth_allowed_email_domains", ()),
    "ALLOW_ORIGINS": ("allow_origins", ()),
    "REFRESH_COOKIE_SAMESITE": ("refresh_cookie_samesite", "strict"),
    "MS_CLIENT_ID": ("ms_client_id", ""),
    "API_PUBLIC_URL": ("api_public_url", ""),
    "APP_BASE_URL": ("app_base_url", ""),
    "MFA_REQUIRED": ("mfa_required", False),
    "BROWSER_TOKEN_ALG": ("browser_token_alg", "RS256"),
}


def names_with_problems(given: dict[str, str], judge: Any = lambda s: s) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        judge(load(given))
    return [problem.name for problem in caught.value.problems]


@every("name", CONTRACT)
def test_the_defaults_are_the_contracts(name: str) -> None:
    attribute, default = CONTRACT[name]
    assert getattr(load({}), attribute) == default
    assert getattr(load({name: "  "}), attribute) == default


def test_every_variable_of_the_contract_is_documented() -> None:
    contract = """HOST PORT DATABASE_URL REDIS_URL FINANCE_DATABASE_URL JWT_SIGNING_KEY_PEM JWT_PUBLIC_KEY_PEM JWT_KID
        JWT_ISSUER JWT_AUDIENCE ACCESS_TOKEN_TTL REFRESH_TOKEN_TTL APP_ENV INTERNAL_API_KEY PUBLIC_REGISTRATION_ENABLED
        MIGRATIONS_PATH ARGON2_TIME ARGON2_MEMORY ARGON2_THREADS ARGON2_KEYLEN RATE_LIMIT_FAIL_CLOSED_LOGIN
        EXPOSE_PASSWORD_RESET_TOKEN EMAIL_ENABLED FRONTEND_URL SES_AWS_REGION SES_AWS_ACCESS_KEY_ID
        SES_AWS_SECRET_ACCESS_KEY EMAIL_FROM EMAIL_APP_NAME EMAIL_LOGO_URL AUTH_INTERNAL_API_KEY CORE_URL REFRESH_GRACE
        TRUSTED_PROXY_CIDRS JWT_SECRET
        SECRET_KEY ACCESS_TOKEN_EXPIRE_MINUTES REFRESH_TOKEN_EXPIRE_DAYS MFA_ISSUER AUTH_POLICY
        AUTH_ALLOWED_EMAIL_DOMAINS ALLOW_ORIGINS REFRESH_COOKIE_SAMESITE MS_CLIENT_ID MS_CLIENT_SECRET API_PUBLIC_URL
        APP_BASE_URL MFA_REQUIRED TOTP_ENCRYPTION_KEY BROWSER_TOKEN_ALG"""
    page, template = settings.configuration_markdown(), settings.env_template()
    for name in contract.split():
        assert f"| `{name}` |" in page
        assert re.search(rf"^# {name}=", template, re.MULTILINE)


def test_the_template_is_a_valid_env_file_that_changes_nothing(tmp_path: Path) -> None:
    uncommented = re.sub(r"^# ([A-Z0-9_]+=)", r"\1", settings.env_template(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(uncommented)
    assert load(read_env_file(tmp_path / ".env")) == load({})


@every(
    ("name", "text", "seconds"),
    [
        ("PASSWORD_RESET_TTL", "1h30m", 5400),
        ("PASSWORD_RESET_TTL", "1.5h", 5400),
        ("PASSWORD_RESET_TTL", "90", 90),
        ("PASSWORD_RESET_TTL", "1m0.5s", 60.5),
        ("REFRESH_GRACE", "500ms", 0.5),
        ("REFRESH_GRACE", "1500000us", 1.5),
        ("REFRESH_GRACE", "0", 0),
    ],
)
def test_durations_are_gos_or_seconds(name: str, text: str, seconds: float) -> None:
    assert getattr(load({name: text}), name.lower()) == timedelta(seconds=seconds)


@every("text", ["1d", "h", "1 h", "-1h", "1h-30m", "15min", "0x10", "1e3s", "٣s", "9" * 30 + "h", "1h1"])
def test_other_durations_are_refused(text: str) -> None:
    assert names_with_problems({"ACCESS_TOKEN_TTL": text}) == ["ACCESS_TOKEN_TTL"]


@every(("text", "value"), [("true", True), ("Yes", True), ("1", True), ("0", False), ("NO", False)])
def test_booleans_have_six_spellings(text: str, value: bool) -> None:
    assert load({"EMAIL_ENABLED": text}).email_enabled is value


@every("text", ["on", "off", "t", "2", "enabled", "truee"])
def test_any_other_boolean_is_refused(text: str) -> None:
    assert names_with_problems({"EMAIL_ENABLED": text}) == ["EMAIL_ENABLED"]


def test_every_fault_is_reported_at_once_with_what_to_do() -> None:
    faulty = {"PORT": "99999", "ACCESS_TOKEN_TTL": "soon", "FRONTEND_URL": "app.kisum.io", "EMAIL_ENABLED": "on"}
    with pytest.raises(SettingsError) as caught:
        load(faulty)
    assert {problem.name for problem in caught.value.problems} == set(faulty)
    assert all(problem.problem and problem.what_to_do for problem in caught.value.problems)
    assert str(caught.value).count("\n") == 3


@every("name", ["JWT_ISSUER", "EMAIL_APP_NAME", "HOST", "JWT_KID", "INTERNAL_API_KEY", "EMAIL_FROM"])
@every("character", ["\n", "\r", "\0", "\x7f"])
def test_line_breaks_and_control_characters_are_refused(name: str, character: str) -> None:
    assert names_with_problems({name: f"a@b.c{character}X-Injected: 1"}) == [name]


def test_no_secret_shows_in_a_repr_or_an_error() -> None:
    given = {
        "DATABASE_URL": "postgresql://u:canary-1@h/d",
        "INTERNAL_API_KEY": "canary-2,canary-3",
        "SECRET_KEY": "canary-4",
        "SMTP_URL": "smtp://u:canary-5@h:25",
        "BOOTSTRAP_ADMIN_PASSWORD": "canary-6",
    }
    assert "canary" not in repr(load(given))
    for name in ("DATABASE_URL", "SMTP_URL", "REDIS_URL"):
        with pytest.raises(SettingsError) as caught:
            load({name: "gopher://u:canary@h:port/"})
        assert "canary" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        check(load(given))
    assert "canary" not in str(caught.value)


def test_networks_of_providers_and_name_servers_are_read_as_lists() -> None:
    read = load(
        {"OIDC_ALLOWED_PRIVATE_NETWORKS": "10.20.0.0/16, fd00::/8", "DNS_SERVERS": "192.0.2.53, [2001:db8::53]:5353"}
    )
    assert [str(network) for network in read.oidc_allowed_private_networks] == ["10.20.0.0/16", "fd00::/8"]
    assert read.dns_servers == ("192.0.2.53", "[2001:db8::53]:5353")
    assert (load({}).oidc_allowed_private_networks, load({}).dns_servers) == ((), ())


@every("text", ["dns.example.com", "192.0.2.53:0", "192.0.2.53:70000", "192.0.2", "[2001:db8::53", "::1%x"])
def test_what_is_no_name_server_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="DNS_SERVERS"):
        load({"DNS_SERVERS": text})


def test_networks_are_read_as_a_list() -> None:
    given = load({"TRUSTED_PROXY_CIDRS": "10.0.0.0/8, 192.0.2.7 ,::1/128"})
    assert given.trusted_proxy_cidrs == (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("::1/128"))
    assert names_with_problems({"TRUSTED_PROXY_CIDRS": "10.0.0.1/8"}) == ["TRUSTED_PROXY_CIDRS"]


def test_the_internal_key_may_be_two_for_rotation() -> None:
    assert [key.reveal() for key in load({"INTERNAL_API_KEY": "new, old"}).internal_api_key] == ["new", "old"]
    assert names_with_problems({"INTERNAL_API_KEY": "a,b,c"}) == ["INTERNAL_API_KEY"]


@every(
    "text",
    [
        PEM,
        PEM.replace("\n", "\\n"),
        '"' + PEM.strip().replace("\n", "\\n") + '"',
        PEM.replace("\n", "\r\n"),
        KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
    ],
)
def test_a_pem_key_is_read_however_it_was_passed_on(text: str) -> None:
    assert "PRIVATE KEY-----\n" in load({"JWT_SIGNING_KEY_PEM": text}).jwt_signing_key_pem.reveal()


@every(
    ("text", "message"),
    [
        ("$(cat jwt_private.pem)", "shell command"),
        (KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "public key"),
        (PEM[: len(PEM) // 2], "not a readable private key"),
        (
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "not an RSA key",
        ),
        (
            rsa.generate_private_key(65537, 1024)
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "1024 bits",
        ),
    ],
)
def test_an_unusable_signing_key_says_why_without_showing_it(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load({"JWT_SIGNING_KEY_PEM": text})
    assert "MII" not in str(caught.value)


class TestEnvFile:
    def read(self, tmp_path: Path, text: str) -> dict[str, str]:
        (tmp_path / ".env").write_text(text)
        return read_env_file(tmp_path / ".env")

    def test_it_is_data_and_not_a_shell_script(self, tmp_path: Path) -> None:
        text = "A=$(touch pwned)\nB=${HOME}\nC=\"`id`\"\nD='$HOME'\n"
        assert self.read(tmp_path, text) == {"A": "$(touch pwned)", "B": "${HOME}", "C": "`id`", "D": "$HOME"}

    def test_quotes_comments_exports_and_escapes(self, tmp_path: Path) -> None:
        text = (
            '# comment\n\nexport A = one two \nB=\'it # is\'  # note\nC="x\\ny \\"q\\" \\\\ #" # note\n'
            "D=no#comment\nE=value # comment\nF=\nG=a=b\r\nA=again"
        )
        assert self.read(tmp_path, text) == {
            "A": "again",
            "B": "it # is",
            "C": 'x\ny "q" \\ #',
            "D": "no#comment",
            "E": "value",
            "F": "",
            "G": "a=b",
        }

    @pytest.mark.parametrize("form", ["{}", '"{}"', "'{}'"])
    def test_a_key_over_several_lines_in_quotes_or_on_one_line(self, tmp_path: Path, form: str) -> None:
        pem = PEM.strip() if form != "{}" else PEM.strip().replace("\n", "\\n")
        given = load(self.read(tmp_path, f"JWT_SIGNING_KEY_PEM={form.format(pem)}\nPORT=4000\n"))
        assert given.jwt_signing_key_pem.reveal() == PEM
        assert given.port == 4000

    @pytest.mark.parametrize("text", ["A=1\nnonsense\n", 'A=1\nB="open\nC=2\n', "A=1\n=2\n", "A=1\nB='open\n"])
    def test_a_faulty_line_is_named(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ValueError, match="line 2 "):
            self.read(tmp_path, text)

    def test_the_process_environment_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".env").write_text("PORT=4000\nJWT_KID=file\n")
        monkeypatch.setenv("PORT", "5000")
        given = load(env_file=tmp_path / ".env")
        assert (given.port, given.jwt_kid) == (5000, "file")


class TestServing:
    def test_production_needs_three_things_and_says_so_at_once(self) -> None:
        needed = ["DATABASE_URL", "REDIS_URL", "JWT_SIGNING_KEY_PEM"]
        assert names_with_problems({}, for_serving) == needed
        assert names_with_problems({"APP_ENV": "staging"}, for_serving) == needed
        assert for_serving(load(PRODUCTION)).database_url.reveal() == PRODUCTION["DATABASE_URL"]

    def test_development_needs_nothing(self) -> None:
        assert for_serving(load({"APP_ENV": "development"})).database_url.reveal().startswith("postgresql://")

    @every(
        ("change", "name"),
        [
            ({"EXPOSE_PASSWORD_RESET_TOKEN": "true"}, "EXPOSE_PASSWORD_RESET_TOKEN"),
            ({"EXPOSE_PASSWORD_RESET_TOKEN": "true", "APP_ENV": "production"}, "EXPOSE_PASSWORD_RESET_TOKEN"),
            ({"EXPOSE_PASSWORD_RESET_TOKEN": "true", "APP_ENV": "prod"}, "EXPOSE_PASSWORD_RESET_TOKEN"),
            ({"EXPOSE_PASSWORD_RESET_TOKEN": "true", "APP_ENV": "staging"}, "EXPOSE_PASSWORD_RESET_TOKEN"),
            ({"SECRET_KEY": "short"}, "SECRET_KEY"),
            ({"SECRET_KEY": "a" * 64}, "SECRET_KEY"),
            ({"APP_ENV": "development", "REDIS_URL": "", "WORKERS": "2"}, "WORKERS"),
            ({"BOOTSTRAP_ADMIN_PASSWORD": "long enough"}, "BOOTSTRAP_ADMIN_EMAIL"),
            ({"BOOTSTRAP_ADMIN_EMAIL": "a@b.co"}, "BOOTSTRAP_ADMIN_EMAIL"),
            ({"BOOTSTRAP_ADMIN_EMAIL": "a@b.co", "BOOTSTRAP_ADMIN_PASSWORD": "short"}, "BOOTSTRAP_ADMIN_PASSWORD"),
            (
                {"BOOTSTRAP_ADMIN_EMAIL": "a@b.co", "BOOTSTRAP_ADMIN_PASSWORD_HASH": "md5"},
                "BOOTSTRAP_ADMIN_PASSWORD_HASH",
            ),
            ({"ARGON2_MEMORY": "16"}, "ARGON2_MEMORY"),
            ({"SMTP_URL": "smtp://h:25?starttls=maybe"}, "SMTP_URL"),
            ({"METRICS_PORT": "3097"}, "METRICS_PORT"),
            ({"MIGRATIONS_PATH": "/nowhere"}, "MIGRATIONS_PATH"),
            ({"EMAIL_TEMPLATES_PATH": "/nowhere"}, "EMAIL_TEMPLATES_PATH"),
        ],
    )
    def test_unsafe_and_impossible_combinations_are_refused(self, change: dict[str, str], name: str) -> None:
        assert names_with_problems({**PRODUCTION, **change}, for_serving) == [name]

    def test_a_bootstrap_hash_is_accepted(self) -> None:
        hashed = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA"
        given = {**PRODUCTION, "BOOTSTRAP_ADMIN_EMAIL": "A@B.co", "BOOTSTRAP_ADMIN_PASSWORD_HASH": hashed}
        assert for_serving(load(given)).bootstrap_admin_password_hash.reveal() == hashed

    @every(
        ("given", "name"),
        [
            ({}, "ACCESS_TOKEN_TTL"),
            ({}, "SECRET_KEY"),
            ({"JWT_SECRET": "x"}, "JWT_SECRET"),
            ({"SES_AWS_REGION": "eu-west-1"}, "SES_AWS_ACCESS_KEY_ID and SES_AWS_SECRET_ACCESS_KEY"),
            ({}, "SES_* and SMTP_URL"),
            ({"SMTP_URL": "smtp://h:25"}, "EMAIL_FROM"),
            ({"INTERNAL_API_KEY": "short"}, "INTERNAL_API_KEY"),
            ({"ARGON2_MEMORY": "1024"}, "ARGON2_MEMORY"),
            ({"FRONTEND_URL": "http://app.example"}, "FRONTEND_URL"),
            ({}, "FRONTEND_URL"),
        ],
    )
    def test_what_should_be_known_is_a_warning(self, given: dict[str, str], name: str) -> None:
        assert name in [problem.name for problem in settings.warnings(load(given))]

    def test_a_careful_configuration_has_no_warnings(self) -> None:
        given = {
            **PRODUCTION,
            "ACCESS_TOKEN_TTL": "15m",
            "SMTP_URL": "smtp://h:25",
            "EMAIL_FROM": "Auth <no-reply@h.co>",
            "FRONTEND_URL": "https://app.h.co",
        }
        assert settings.warnings(load(given)) == []

    def test_a_misspelt_variable_is_noticed(self) -> None:
        problems = settings.unread_names({"ACESS_TOKEN_TTL": "15m", "PATH": "/bin", "DATABASE_URI": "x"})
        assert [problem.name for problem in problems] == ["ACESS_TOKEN_TTL", "DATABASE_URI"]
        assert "did you mean ACCESS_TOKEN_TTL?" in problems[0].what_to_do


def test_workers_get_the_same_settings() -> None:
    given = load(
        {**PRODUCTION, "REFRESH_GRACE": "1500ms", "TRUSTED_PROXY_CIDRS": "10.0.0.0/8", "INTERNAL_API_KEY": "a,b"}
    )
    assert load(export(given)) == given


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load({}).port = 1  # type: ignore[misc]


def test_what_cannot_be_read_and_what_is_missing_are_told_together(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "JWT_SIGNING_KEY_PEM", "APP_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    with pytest.raises(SettingsError) as refused:
        load_for_serving()
    assert [p.name for p in refused.value.problems] == ["PORT", "DATABASE_URL", "REDIS_URL", "JWT_SIGNING_KEY_PEM"]
