"""The texts of the pages, by language: TOML files with the same keys in each, read and compared when the server starts.

A text is plain text; `{name}` in it is filled in when it is shown, and whatever is filled in is escaped. Texts of one
area of pages are one file (`texts/en/login.toml`); its name is the first part of the key: `login.title`.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
"""What the pages speak, each under its own name; the first is spoken to whoever asks for none of them."""

_FOLDER = Path(__file__).parent / "texts"
_CHOICE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,40})?\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*")
_MAX_HEADER = 400


class CatalogError(ValueError):
    """The languages do not say the same things; the message names what is missing where."""


class Texts:
    """The texts of one language.

    Attributes:
        language: as in `lang`.
    """

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts
        self._escaped = {key: escape(text) for key, text in texts.items()}
        self._months = texts["dates.months"].split()

    def __call__(self, key: str, /, **values: Any) -> Markup:
        """A text, its places filled with escaped values. Raises KeyError for a key that is in no file."""
        text = self._escaped[key]
        return text.format(**values) if values else text

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def keys(self) -> Iterable[str]:
        """Every key."""
        return self._texts.keys()

    def places(self, key: str) -> frozenset[str]:
        """The names that are filled into a text."""
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self._texts[key]) if name)

    def day(self, at: datetime) -> Markup:
        """A date as people write it."""
        utc = at.astimezone(UTC)
        return self("dates.day", day=utc.day, month=self._months[utc.month - 1], year=utc.year)

    def moment(self, at: datetime) -> Markup:
        """Date and time (UTC) as people write them."""
        return self("dates.moment", day=self.day(at), time=f"{at.astimezone(UTC):%H:%M}")


class Catalog:
    """Every language."""

    def __init__(self, texts: Mapping[str, Texts]) -> None:
        self._texts = texts
        self._default = next(iter(texts.values()))

    @classmethod
    def load(cls, folder: Path = _FOLDER) -> Catalog:
        """The catalogue of a folder.

        Raises:
            CatalogError: a key, or a place in a text, is in one language and not in another.
        """
        found = {language: Texts(language, _read(folder / language)) for language in LANGUAGES}
        first = found["en"]
        for language, texts in found.items():
            if difference := set(first.keys()) ^ set(texts.keys()):
                raise CatalogError(f"not in both {first.language} and {language}: {', '.join(sorted(difference))}")
            if differing := [key for key in first.keys() if first.places(key) != texts.places(key)]:  # noqa: SIM118
                raise CatalogError(f"{language}: other places than {first.language}: {', '.join(sorted(differing))}")
        return cls(found)

    def of(self, language: str) -> Texts:
        """The texts of a language, or of the first when there are none in it."""
        return self._texts.get(language, self._default)

    def chosen(self, *wishes: str) -> Texts:
        """The texts of the first language that a wish names and that we have.

        Args:
            wishes: the most important first: a language, a list of them (`ui_locales`), an `Accept-Language`; empty:
                none.
        """
        for wish in wishes:
            for language in preferred(wish):
                if language in self._texts:
                    return self._texts[language]
        return self._default


def preferred(wish: str) -> list[str]:
    """The languages of a list, the most wanted first (RFC 9110 §12.5.4; OpenID Connect Core §3.1.2.1 `ui_locales`)."""
    weighed: list[tuple[float, str]] = []
    for part in re.split(r"[,\s]+(?!q=)", wish[:_MAX_HEADER].replace("; q", ";q")):
        found = _CHOICE.fullmatch(part)
        weight = float(found[2] or 1) if found else 0.0
        if found and weight > 0:
            weighed.append((weight, found[1].lower()))
    return [language for _, language in sorted(weighed, key=lambda pair: -pair[0])]


def _read(folder: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for file in sorted(folder.glob("*.toml")):
        texts.update(_flat(tomllib.loads(file.read_text(encoding="utf-8")), file.stem))
    return texts


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in table.items():
        name = f"{prefix}.{key}"
        flat.update(_flat(value, name) if isinstance(value, dict) else {name: str(value)})
    return flat
