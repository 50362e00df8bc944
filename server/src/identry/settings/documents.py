"""`docs/configuration.md` and the `.env` template, made from the fields of `Settings` themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby

from identry.settings.model import Settings
from identry.settings.variables import Variable, variables_of

_INTRODUCTION = """\
<!-- Generated from server/src/identry/settings/model.py by `make docs`. Do not edit. -->

# Configuration

Identry is configured by environment variables. A `.env` file in the working directory is read too; the process
environment wins. The file is data, not a shell script: nothing in it is executed or expanded. Values in quotes may
span lines (a PEM key), and `\\n` in double quotes is a line break.

Durations are Go's (`15m`, `1h30m`, `500ms`); a bare number means seconds. Booleans are `true/false/1/0/yes/no`. An
empty variable counts as unset. A wrong value stops the start; all of them are listed at once. `identry doctor` checks
the configuration and everything it points to; `identry env --template` prints a template of this page.
"""


def configuration_markdown() -> str:
    """The text of `docs/configuration.md`."""
    parts = [_INTRODUCTION]
    for heading, variables in _grouped():
        rows = "\n".join(map(_row, variables))
        parts.append(f"## {heading}\n\n| variable | default | required | meaning |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def env_template() -> str:
    """A `.env` file with every variable commented out at its default."""
    lines = ["# Identry: every variable, at its default. Uncomment what you change.", ""]
    for heading, variables in _grouped():
        lines += [f"# ---- {heading} " + "-" * (74 - len(heading)), ""]
        for variable in variables:
            note = f" Required {variable.required}." if variable.required else ""
            default = f" Default: {variable.shown_default}." if variable.shown_default else ""
            lines += textwrap.wrap(
                f"{variable.meaning}{note}{default}", 96, initial_indent="# ", subsequent_indent="# "
            )
            lines += [f"# {variable.name}={variable.default}", ""]
    return "\n".join(lines)


def _grouped() -> Iterator[tuple[str, list[Variable]]]:
    for heading, variables in groupby((v for _, v in variables_of(Settings)), key=lambda v: v.group):
        yield heading, list(variables)


def _row(variable: Variable) -> str:
    default = variable.shown_default or (f"`{variable.default}`" if variable.default else "empty")
    cells = (f"`{variable.name}`", default, variable.required, variable.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
