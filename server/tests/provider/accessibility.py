"""What an automatic check of accessibility finds on a page."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from provider.page_browser import Page

from identry.pages import LANGUAGES


def page_faults(page: Page) -> list[str]:
    """What an automatic check of accessibility would find (WCAG 2.2 A and AA, as far as HTML alone tells)."""
    tags = page.tags
    ids = Counter(told["id"] for _, told in tags if told.get("id"))
    labelled = {told["for"] for tag, told in tags if tag == "label"}
    faults = [f"id {name} twice" for name, times in ids.items() if times > 1]
    for tag, told in tags:
        named = told.get("id") in labelled or told.get("aria-label") or told.get("aria-labelledby")
        if tag in {"input", "select", "textarea"} and told.get("type") != "hidden" and not named:
            faults.append(f"no label: {told}")
        meant = told.get("aria-describedby", "").split() + told.get("aria-labelledby", "").split()
        faults += [f"described by nothing: {name}" for name in meant if name not in ids]
        if tag == "img" and "alt" not in told:
            faults.append(f"no alternative: {told}")
        if tag == "form" and told.get("method") != "post":
            faults.append(f"not a POST: {told}")
        faults += [f"inline {name}" for name in told if name.startswith("on") or name == "style"]
        if tag == "html" and told.get("lang") not in LANGUAGES:
            faults.append("no language")
    counted = Counter(tag for tag, _ in tags)
    faults += [f"{counted[tag]} × {tag}" for tag in ("h1", "main", "title", "html") if counted[tag] != 1]
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    faults += [f"heading {after} after {before}" for before, after in pairwise(levels) if after > before + 1]
    policy = page.reply.headers["content-security-policy"]
    for wanted in (
        "default-src 'none'",
        "script-src 'nonce-",
        "style-src 'nonce-",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        if wanted not in policy:
            faults.append(f"policy without {wanted}")
    if "unsafe" in policy:
        faults.append(policy)
    return faults
