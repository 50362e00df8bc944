"""QR codes as SVG: what an authenticator app scans (ISO/IEC 18004, made by segno)."""

from __future__ import annotations

import io

import segno

_QUIET_ZONE = 4
"""Modules of white around the code; the standard asks for four."""


def svg(text: str) -> str:
    """An `<svg>` element that shows `text`: paths only, no script, no reference, as large as the page makes it.

    Takes a few milliseconds of computing: call it in a thread.
    """
    drawn = io.BytesIO()
    segno.make_qr(text, error="m", boost_error=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        omitsize=True,
        nl=False,
        border=_QUIET_ZONE,
        dark="#000",
        light="#fff",
        svgclass=None,
        lineclass=None,
    )
    return drawn.getvalue().decode()
