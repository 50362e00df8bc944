"""The card that `identry dev` shows when it is ready: where everything is, who may log in, and a command to paste."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from identry.cli.keepsakes import write_private

_WIDE_ENOUGH = 64


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a person or a script needs to start. `admin_password` is empty when it was changed or is not known."""

    base_url: str
    docs_url: str
    mailbox_url: str
    health_url: str
    jwks_url: str
    admin_url: str
    admin_api_url: str
    admin_email: str
    admin_password: str
    internal_api_key: str
    data_dir: str
    database: str
    pid: int
    curl: str

    def write(self, path: Path) -> None:
        """As JSON, for scripts; the file appears whole, readable for its owner only."""
        write_private(path.absolute(), msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n")

    def show(self, out: TextIO) -> None:
        """For a person: a card when `out` is a terminal that is wide enough, plain lines otherwise."""
        console = Console(file=out, highlight=False)
        rows = [
            ("API", self.base_url),
            ("Account", f"{self.base_url}/account"),
            ("Reference", self.docs_url),
            ("Mailbox", self.mailbox_url),
            ("Health", self.health_url),
            *([] if self.admin_api_url.startswith(self.base_url) else [("Admin API", self.admin_api_url)]),
            ("", ""),
            ("Login", self.admin_email),
            ("Password", self.admin_password or "(the one you chose)"),
            ("", ""),
            ("Data", self.data_dir),
            ("Database", self.database),
        ]
        console.print()
        if console.is_terminal and console.width >= _WIDE_ENOUGH:
            console.print(self._panel(rows))
        else:
            for label, value in rows:
                console.print(f"{label + ':':<11}{value}" if label else "", soft_wrap=True, markup=False)
        if self.admin_password:
            console.print("\nGet a token:\n", style="bold")
            console.print(self.curl, soft_wrap=True, markup=False)  # never broken or framed: it is for pasting
        console.print("\nCtrl-C stops everything. The data stays; `identry dev --reset` forgets it.\n", style="dim")

    def _panel(self, rows: list[tuple[str, str]]) -> Panel:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, value in rows:
            style = "bold" if label in {"Login", "Password"} else "cyan underline" if value.startswith("http") else ""
            grid.add_row(label, Text(value, style=style))
        return Panel(grid, title="[bold]Identry is ready[/bold]", border_style="green", padding=(1, 2), expand=False)


def login_command(base_url: str, email: str, password: str) -> str:
    """A shell command that answers with a token."""
    body = msgspec.json.encode({"email": email, "password": password}).decode().replace("'", "'\\''")
    return f"curl -s {base_url}/auth/login -H 'Content-Type: application/json' -d '{body}'"
