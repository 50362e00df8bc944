"""What went wrong, in words for people: one sentence on top, one at each field concerned.

An error is known by the words of its own surface: `browser_code`, else `code`; the catalogue has a text for each
(`refused.*`, `field.*`). What it has none for is told by its status. No text of an error itself reaches a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from markupsafe import Markup

from identry.pages import Texts
from identry_kit.apierror import APIError


@dataclass(frozen=True, slots=True)
class Faults:
    """What a page tells.

    Attributes:
        title: of the page that shows nothing else.
        summary: the sentence on top; empty: nothing went wrong.
        fields: name of a field → what is wrong with it.
        code: of the error, for whoever asks for help.
    """

    title: str = ""
    summary: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    code: str = ""

    @classmethod
    def of(cls, error: APIError | None, texts: Texts) -> Self:
        """The faults of an error."""
        if error is None:
            return cls()
        fields = {name: _of_field(name, rule, texts) for name, rule in _rules(error)}
        code = getattr(error, "browser_code", "") or error.code
        summary = texts("refused.fields") if fields else _sentence(error, code, texts)
        return cls(_title(error, texts), summary, fields, code)


def _sentence(error: APIError, code: str, texts: Texts) -> Markup:
    minutes = _minutes(error)
    if error.status == 429 and minutes:
        return texts("refused.rate_limited_for", minutes=minutes)
    for key in (f"refused.{code}", f"refused.status_{error.status}"):
        if key in texts:
            return texts(key)
    return texts("refused.status_500" if error.status >= 500 else "refused.status_400")


def _title(error: APIError, texts: Texts) -> Markup:
    key = f"refused.title_{error.status}"
    if key in texts:
        return texts(key)
    return texts("refused.title_500" if error.status >= 500 else "refused.title_400")


def _minutes(error: APIError) -> int:
    """How long to wait, in minutes."""
    seconds = error.headers.get("Retry-After", "")
    return -(-int(seconds) // 60) if seconds.isdigit() else 0


def _rules(error: APIError) -> list[tuple[str, str]]:
    """Each faulty field and the first rule that it breaks."""
    details: Any = error.details or {}
    listed = details.get("fields", []) if isinstance(details, Mapping) else []
    found: dict[str, str] = {}
    for fault in listed if isinstance(listed, list) else []:
        found.setdefault(str(fault["field"]), str(fault["rule"]))
    return list(found.items())


def _of_field(name: str, rule: str, texts: Texts) -> Markup:
    for key in (f"field.{name}.{rule}", f"field.{rule}"):
        if key in texts:
            return texts(key)
    return texts("field.invalid")
