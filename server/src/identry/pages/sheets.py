"""Templates become HTML. Nothing is decided in a template: what it is given is what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

FOLDER = Path(__file__).parent
TEMPLATES = FOLDER / "templates"


class Sheets:
    """The templates of the pages.

    Args:
        files: what templates know by the name `files`: the addresses of stylesheet and script.
    """

    def __init__(self, **files: str) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["files"] = files

    def render(self, template: str, values: dict[str, Any]) -> str:
        """The HTML of a page."""
        return self._environment.get_template(template).render(values)
