"""What every page keeps: texts in each language, colours that can be read, labels, headings, weight, a tight policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import Harness
from provider.accessibility import page_faults
from provider.page_browser import PageBrowser
from rows import every
from second_factor import secured

from identry.pages import LANGUAGES, Brand, Catalog
from identry.pages.brand import DARK_CARD, LIGHT_CARD, contrast
from identry.pages.catalog import CatalogError, preferred
from identry.pages.sheets import FOLDER, TEMPLATES
from identry.web.operations import Operation
from identry.web.surfaces import is_page

CATALOG = Catalog.load()
KEY = re.compile(r"""\bt\(\s*["']([a-z_.0-9]+)["']""")
BUILT = re.compile(r"""\bt\(\s*["']([a-z_.0-9]+)["']\s*~""")


def test_every_text_of_a_template_is_in_every_language() -> None:
    templates = sorted(TEMPLATES.rglob("*.html"))
    assert sum(len(KEY.findall(template.read_text(encoding="utf-8"))) for template in templates) > 200
    for template in templates:
        source = template.read_text(encoding="utf-8")
        built = set(BUILT.findall(source))
        for language in LANGUAGES:
            texts = CATALOG.of(language)
            missing = [key for key in KEY.findall(source) if key not in built and key not in texts]
            missing += [start for start in built if not any(key.startswith(start) for key in texts.keys())]  # noqa: SIM118
            assert missing == [], f"{template.name}: {missing} in {language}"


def test_languages_that_differ_are_refused_when_the_server_starts(tmp_path: Path) -> None:
    for language, text in (("en", 'months = "m"\nday = "{day}"\n'), ("de", 'months = "m"\nday = "{tag}"\n')):
        (tmp_path / language).mkdir()
        (tmp_path / language / "dates.toml").write_text(text)
    with pytest.raises(CatalogError, match=r"dates\.day"):
        Catalog.load(tmp_path)
    (tmp_path / "de" / "dates.toml").write_text('months = "m"\n')
    with pytest.raises(CatalogError, match=r"dates\.day"):
        Catalog.load(tmp_path)


def test_what_is_filled_into_a_text_is_escaped() -> None:
    assert str(CATALOG.of("en")("login.to", app="<b>{x}")) == "to continue to &lt;b&gt;{x}"


@every(
    ("wish", "language"),
    [
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr, en;q=0.3, de;q=0.7", "de"),
        ("en-GB de", "en"),
        ("de;q=0, en", "en"),
        ("fr", "en"),
        ("", "en"),
        ("*;q=1,,;;de" + "x" * 9000, "en"),
    ],
)
def test_a_wish_is_heard(wish: str, language: str) -> None:
    assert CATALOG.chosen(wish).language == language
    assert len(preferred(wish)) < 200


async def test_every_refusal_that_a_page_can_run_into_has_words_of_its_own(app: Harness) -> None:
    silent = set()
    for operation in _pages(app):
        for kind in operation.errors:
            code = getattr(kind, "browser_code", "") or kind.code
            known = any(f"refused.{word}" in CATALOG.of("en") for word in (code, f"status_{kind.status}"))
            if not known or (code == "bad_request" and kind.__name__ not in SHOWN_BY_THEIR_PAGE):
                silent.add(kind.__name__)
    assert silent == set(), "give each a `browser_code` and a text refused.*"


SHOWN_BY_THEIR_PAGE = {"InvalidVerification", "InvalidInvitation", "UnknownApplication"}


HUES = ["#ff0000", "#ffee00", "#00ff00", "#00aaff", "#2348c7", "#777777", "#000000", "#ffffff", "#757575", "#f2c14e"]


@every("color", HUES)
def test_any_brand_can_be_read_in_both_themes(color: str) -> None:
    light, dark = _themes(Brand("Acme", color).css)
    assert contrast(light["on-brand"], light["brand"]) >= 4.5
    assert contrast(light["on-brand"], light["brand-strong"]) >= 4.5
    for theme, card in ((light, LIGHT_CARD), (dark, DARK_CARD)):
        assert contrast(theme["accent"], card) >= 4.5
        assert contrast(theme["edge"], card) >= 3


def test_the_palette_can_be_read_in_both_themes() -> None:
    light, dark = _themes((FOLDER / "files" / "pages.css").read_text(encoding="utf-8"))
    for theme in (light, {**light, **dark}):
        for text, ground in (
            ("ink", "page"),
            ("ink", "card"),
            ("ink", "sunk"),
            ("soft", "page"),
            ("soft", "card"),
            ("soft", "sunk"),
            ("bad", "card"),
            ("bad", "bad-sunk"),
            ("good", "good-sunk"),
            ("warn", "warn-sunk"),
            ("on-bad", "bad-fill"),
        ):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
        assert contrast(theme["field"], theme["card"]) >= 3, "the edge of a field"
    assert (light["card"], dark["card"]) == (LIGHT_CARD, DARK_CARD)


async def test_pages_can_be_used_by_everybody(app: Harness) -> None:
    ada, browser = await secured(app), PageBrowser(app)
    shown = [
        await browser.open(path)
        for path in (
            "/login",
            "/login/sso",
            "/login/link",
            "/login/link/sent",
            "/login/link/open?token=abc",
            "/signup",
            "/signup/done",
            "/forgot-password",
            "/forgot-password/sent",
            "/reset-password?token=abc",
            "/reset-password/done",
            "/verify-email?token=abc",
            "/verify-email",
            "/invite/nothing",
            "/invite?token=nothing",
            "/signed-out",
            "/consent",
            "/login/nothing",
        )
    ]
    await browser.open("/signup")
    shown.append(await browser.submit(full_name="", email="no address", password="x"))
    shown.append(await browser.sign_in(ada.person))
    shown.append(await browser.submit(code=ada.wrong(app)))
    shown.append(await browser.submit(code=ada.code(app)))
    shown += [await browser.open(path) for path in ("/logout", "/device")]
    for page in shown:
        faults = page_faults(page)
        assert faults == [], f"{page.path}: {faults}"


async def test_a_page_with_all_that_it_loads_weighs_little(app: Harness) -> None:
    page = await PageBrowser(app).open("/login")
    weight = len(page.reply.content)
    for path in [told["href"] for tag, told in page.tags if tag == "link"] + [
        told["src"] for tag, told in page.tags if tag == "script"
    ]:
        reply = await app.http.get(path)
        assert reply.status_code == 200
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        weight += len(reply.content)
    assert weight < 60_000


def _pages(app: Harness) -> list[Operation]:
    return [one for one in app.app.operations if one.surface == "page" or is_page(one.path)]


def _themes(css: str) -> tuple[dict[str, str], dict[str, str]]:
    """The custom properties of the light theme, and those of the dark one."""
    light, _, dark = css.partition("prefers-color-scheme")
    read = re.compile(r"--([a-z-]+):\s*(#[0-9a-f]{6})")
    return dict(read.findall(light)), dict(read.findall(dark))
