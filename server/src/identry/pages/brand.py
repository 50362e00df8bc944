"""A brand's one colour becomes a palette that everybody can read (WCAG 2.2 §1.4.3, §1.4.11).

The colour itself fills buttons; the text on it is black or white, whichever reads better. As text, or as an edge, it is
brought towards black or white until its contrast with the card is enough, in the light theme and in the dark one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

DEFAULT_COLOR = "#2348c7"
LIGHT_CARD, DARK_CARD = "#ffffff", "#161b22"
INK, PAPER = "#000000", "#ffffff"
"""Nothing else on a colour is sure to have a contrast of 4.5 with one of the two."""

_HEX = re.compile(r"#[0-9a-f]{6}")
_TEXT, _EDGE = 5.2, 3.2
"""Contrast of text and of edges with the card: more than the standard asks (4.5, 3), for what is shaded on it."""

RGB = tuple[int, int, int]


def rgb(color: str) -> RGB:
    """The channels of `#rrggbb`.

    Raises:
        ValueError: it is something else.
    """
    if not _HEX.fullmatch(color):
        raise ValueError(f"not a colour: {color!r}")
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def luminance(color: str) -> float:
    """Relative luminance, from 0 (black) to 1 (white)."""
    linear = [c / 12.92 if (c := value / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for value in rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mixed(color: str, other: str, share: float) -> str:
    """`color` with a share of `other` in it."""
    pairs = zip(rgb(color), rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def readable_on(color: str) -> str:
    """Black or white, whichever reads better on a colour."""
    return PAPER if contrast(PAPER, color) >= contrast(INK, color) else INK


def legible(color: str, surface: str, ratio: float) -> str:
    """A colour as near as possible that has this contrast with a surface."""
    end = INK if luminance(surface) > 0.4 else PAPER
    for step in range(51):
        tone = mixed(color, end, step / 50)
        if contrast(tone, surface) >= ratio:
            return tone
    return end


@dataclass(frozen=True)
class Brand:
    """What a page wears.

    Attributes:
        name: of the service or the application.
        color: `#rrggbb`, lower-case.
        logo_url: of an image; empty: a tile with the first letter of the name.
    """

    name: str
    color: str = DEFAULT_COLOR
    logo_url: str = ""

    @property
    def initial(self) -> str:
        """What the tile shows."""
        return next((c.upper() for c in self.name if c.isalnum()), "•")

    @cached_property
    def css(self) -> str:
        """The palette as custom properties, for both themes."""
        text = readable_on(self.color)
        away = INK if text == PAPER else PAPER  # from the text on it: hovering makes it no harder to read
        fill = f"--brand:{self.color};--on-brand:{text};--brand-strong:{mixed(self.color, away, 0.14)};"
        return (
            f":root{{{fill}{self._tones(LIGHT_CARD)}}}"
            f"@media(prefers-color-scheme:dark){{:root{{{self._tones(DARK_CARD)}}}}}"
        )

    def _tones(self, card: str) -> str:
        return f"--accent:{legible(self.color, card, _TEXT)};--edge:{legible(self.color, card, _EDGE)};"
