"""A `User-Agent` in words that its owner recognises: which browser or app, on which system. Never used to decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["computer", "phone", "tablet", "program", "unknown"]


@dataclass(frozen=True, slots=True)
class Device:
    """What a user agent says it is.

    Attributes:
        kind: for the picture beside it.
        program: `Firefox`, `curl` …; empty: it cannot be told.
        system: `Windows`, `iOS` …; empty: it cannot be told.
    """

    kind: Kind
    program: str
    system: str


# Order matters: every browser names those whose pages it imitates, so the rarer name comes first.
_PROGRAMS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\b(?:OPR|Opera|OPiOS)/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Vivaldi", re.compile(r"\bVivaldi/")),
    ("Yandex Browser", re.compile(r"\bYaBrowser/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:Chrome|CriOS|HeadlessChrome)/")),
    ("Safari", re.compile(r"\bVersion/[\d.]+.*\bSafari/")),
)
_SYSTEMS: tuple[tuple[str, Kind, re.Pattern[str]], ...] = (
    ("iPadOS", "tablet", re.compile(r"\biPad\b")),
    ("iOS", "phone", re.compile(r"\b(?:iPhone|iPod)\b")),
    ("Android", "phone", re.compile(r"\bAndroid\b.*\bMobile\b")),
    ("Android", "tablet", re.compile(r"\bAndroid\b")),
    ("Windows", "computer", re.compile(r"\bWindows\b")),
    ("ChromeOS", "computer", re.compile(r"\bCrOS\b")),
    ("macOS", "computer", re.compile(r"\bMac(?:intosh| OS X)\b")),
    ("Linux", "computer", re.compile(r"\b(?:Linux|X11)\b")),
)
_TOOL = re.compile(r"([A-Za-z][A-Za-z0-9._+\-]{1,30})(?:/[0-9][\w.\-+]*)?(?:\s|$)")
_LONGEST = 400


def described(user_agent: str | None) -> Device:
    """The device of a user agent; what nobody knows is `unknown`, and nothing of it is repeated but a plain name."""
    text = (user_agent or "")[:_LONGEST]
    program = next((name for name, pattern in _PROGRAMS if pattern.search(text)), "")
    system, kind = next(((name, kind) for name, kind, pattern in _SYSTEMS if pattern.search(text)), ("", None))
    if program or kind:
        return Device(kind or "computer", program, system)
    tool = _TOOL.match(text)
    return Device("program", tool[1], "") if tool and tool[1] != "Mozilla" else Device("unknown", "", "")
