"""Settings of the browser surface: exact origins and domains, combinations that would be unsafe refused at start."""

from __future__ import annotations

import pytest
from rows import every
from test_settings import PRODUCTION, names_with_problems

from identry.core.email_domains import allowed
from identry.settings import for_serving, load, warnings

BROWSER = {"API_PUBLIC_URL": "https://auth.acme.com", "APP_BASE_URL": "https://app.acme.com"}


def refused(**given: str) -> list[str]:
    return names_with_problems({**PRODUCTION, **BROWSER, **given}, for_serving)


def test_a_whole_configuration_is_accepted() -> None:
    settings = for_serving(
        load(
            {
                **PRODUCTION,
                **BROWSER,
                "ALLOW_ORIGINS": " https://cloud.acme.com, https://cloud.acme.com:8443,https://[2001:db8::1] ",
                "REFRESH_COOKIE_SAMESITE": "None",
                "AUTH_POLICY": "restricted",
                "AUTH_ALLOWED_EMAIL_DOMAINS": "Acme.com, *.acme.com, bücher.example",
            }
        )
    )
    assert settings.allow_origins == (
        "https://cloud.acme.com",
        "https://cloud.acme.com:8443",
        "https://[2001:db8::1]",
    )  # fmt: skip - one list
    assert settings.refresh_cookie_samesite == "none"
    assert settings.auth_allowed_email_domains == ("acme.com", "*.acme.com", "xn--bcher-kva.example")


@every(
    "origins",
    [
        "*",
        "null",
        "https://*.acme.com",
        "https://ACME.com",
        "https://acme.com/",
        "https://acme.com:443",
        "https://acme.com.",
        "acme.com",
        "https://acme.com/app",
        "https://acme.com:0",
        "https://acme.com:99999",
        "https://user@acme.com",
        "ftp://acme.com",
        "https://acme.com, *",
    ],
)  # fmt: skip - a table
def test_what_no_browser_writes_is_no_origin(origins: str) -> None:
    assert names_with_problems({"ALLOW_ORIGINS": origins}) == ["ALLOW_ORIGINS"]


@every("domains", ["acme com", "*", "*.", "@acme.com", "https://acme.com", "acme..com", "-acme.com"])
def test_what_is_no_domain_is_refused(domains: str) -> None:
    assert names_with_problems({"AUTH_ALLOWED_EMAIL_DOMAINS": domains}) == ["AUTH_ALLOWED_EMAIL_DOMAINS"]


def test_a_policy_that_nobody_knows_stops_the_start() -> None:
    assert refused(AUTH_POLICY="open") == ["AUTH_POLICY"]


def test_single_sign_on_alone_without_domains_stops_the_start() -> None:
    assert refused(AUTH_POLICY="restricted") == ["AUTH_ALLOWED_EMAIL_DOMAINS"]


def test_a_cookie_for_every_site_needs_https() -> None:
    assert "REFRESH_COOKIE_SAMESITE" in refused(REFRESH_COOKIE_SAMESITE="none", API_PUBLIC_URL="http://auth.acme.com")
    assert names_with_problems({"APP_ENV": "development", "REFRESH_COOKIE_SAMESITE": "none"}, for_serving) == [
        "REFRESH_COOKIE_SAMESITE"
    ]


@pytest.mark.parametrize("name", ["API_PUBLIC_URL", "APP_BASE_URL"])
def test_production_addresses_are_https(name: str) -> None:
    assert refused(**{name: "http://acme.com"}) == [name]


def test_production_pages_are_https() -> None:
    assert refused(ALLOW_ORIGINS="http://cloud.acme.com") == ["ALLOW_ORIGINS"]


def test_a_shared_secret_is_that_of_the_deployment() -> None:
    assert refused(BROWSER_TOKEN_ALG="HS256", SECRET_KEY="") == ["BROWSER_TOKEN_ALG"]
    assert refused(BROWSER_TOKEN_ALG="none") == ["BROWSER_TOKEN_ALG"]


def test_a_guessable_key_is_refused() -> None:
    assert refused(TOTP_ENCRYPTION_KEY="a" * 40) == ["TOTP_ENCRYPTION_KEY"]


def test_half_a_configuration_is_told() -> None:
    told = {p.name for p in warnings(load({**PRODUCTION, "API_PUBLIC_URL": "https://auth.acme.com"}))}
    assert "APP_BASE_URL" in told
    told = {p.name for p in warnings(load({**PRODUCTION, **BROWSER, "MS_CLIENT_ID": "id"}))}
    assert "MS_CLIENT_SECRET" in told


def test_without_both_addresses_there_is_no_browser_surface() -> None:
    assert load({**PRODUCTION, "API_PUBLIC_URL": "https://auth.acme.com"}).browser_api_url == ""
    assert load({"APP_ENV": "development"}).browser_app_url == "http://localhost:3097"


def test_each_list_of_domains_narrows_the_one_before() -> None:
    assert allowed("a@x.acme.com", ["*.acme.com"], ["x.acme.com"])
    assert not allowed("a@y.acme.com", ["*.acme.com"], ["x.acme.com"])
    assert allowed("a@anything.example", [], [])
    assert not allowed("a@acme.com@evil.com", ["acme.com"])
    assert not allowed("acme.com@", ["acme.com"])


@every(
    "rp_id",
    [
        "evil.com",
        "cme.com",
        "com",
        "x.app.acme.com",
        "https://acme.com",
        "acme.com:443",
        "*.acme.com",
        "127.0.0.1",
        "a b",
    ],
)
def test_passkeys_are_bound_to_the_app_or_a_domain_above_it(rp_id: str) -> None:
    assert refused(WEBAUTHN_RP_ID=rp_id) == ["WEBAUTHN_RP_ID"]


def test_passkeys_without_an_app_stop_the_start() -> None:
    assert names_with_problems({**PRODUCTION, "WEBAUTHN_RP_ID": "acme.com"}, for_serving) == ["WEBAUTHN_RP_ID"]


@every(
    ("given", "domain"),
    [
        ({}, "app.acme.com"),
        ({"WEBAUTHN_RP_ID": "acme.com"}, "acme.com"),
        ({"WEBAUTHN_RP_ID": "App.Acme.com"}, "app.acme.com"),
        ({"APP_BASE_URL": "https://10.0.0.1"}, ""),
        ({"APP_BASE_URL": "https://[2001:db8::1]"}, ""),
        ({"APP_BASE_URL": ""}, ""),
    ],
)
def test_the_domain_of_passkeys_is_the_apps(given: dict[str, str], domain: str) -> None:
    assert for_serving(load({**PRODUCTION, **BROWSER, **given})).passkey_domain == domain


def test_passkeys_work_at_localhost() -> None:
    assert load({"APP_ENV": "development"}).passkey_domain == "localhost"
