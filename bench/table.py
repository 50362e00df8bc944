"""The result: operation, measured, limit, ratio, what to reach, whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_HEADER = ("operation", "measured", "limit", "ratio", "to reach", "met", "note")


@dataclass(frozen=True, slots=True)
class Row:
    """One line; `met` is None where nothing is demanded."""

    operation: str
    measured: str
    limit: str = ""
    ratio: str = ""
    to_reach: str = ""
    met: bool | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """As text."""
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return self.operation, self.measured, self.limit, self.ratio, self.to_reach, met, self.note


def rates(operation: str, measured: tuple[float, float], limit: tuple[float, float], share: float, note: str) -> Row:
    """A rate beside its limit; each with its spread."""
    ratio = measured[0] / limit[0] if limit[0] else 0.0
    return Row(
        operation,
        f"{measured[0]:,.0f}/s ±{measured[1] / 2:.0%}"
        if measured[0] >= 100
        else f"{measured[0]:.1f}/s ±{measured[1] / 2:.0%}",
        f"{limit[0]:,.0f}/s ±{limit[1] / 2:.0%}" if limit[0] >= 100 else f"{limit[0]:.1f}/s ±{limit[1] / 2:.0%}",
        f"{ratio:.0%}",
        f"≥ {share:.0%}" if share else "",
        ratio >= share if share else None,
        note,
    )


def show(rows: list[Row]) -> None:
    """Print the table; on a terminal with colours."""
    console = Console()
    if not console.is_terminal:
        print(markdown(rows))
        return
    table = Table(*_HEADER)
    for row in rows:
        style = {None: "", True: "green", False: "red"}[row.met]
        table.add_row(*row.cells(), style=style)
    console.print(table)


def markdown(rows: list[Row]) -> str:
    """The table as Markdown."""
    lines = ["| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines)


def write(rows: list[Row], path: Path) -> None:
    """Write the Markdown to a file."""
    path.write_text(markdown(rows) + "\n")
