"""The options of `identry blocked-ips`; what they do is in `blocked_ips.py`, loaded when one runs."""

from __future__ import annotations

from typing import Annotated

import typer

blocked_ips = typer.Typer(help="Addresses from which nobody signs in.", no_args_is_help=True)


@blocked_ips.command("list")
def listing() -> None:
    """Print what is blocked."""
    from identry.cli import blocked_ips as command

    raise typer.Exit(command.listing())


@blocked_ips.command("add")
def add(
    address: Annotated[str, typer.Argument(help="An address, or a network: 192.0.2.0/24, 2001:db8::/64.")],
    reason: Annotated[str, typer.Option(help="Told in the list and in the audit log.")] = "",
    ttl: Annotated[str, typer.Option("--for", help="How long: 24h. [default: until it is removed]")] = "",
) -> None:
    """Refuse requests from an address or a network, at once."""
    from identry.cli import blocked_ips as command

    raise typer.Exit(command.add(address, reason=reason, ttl=ttl))


@blocked_ips.command("remove")
def remove(address: Annotated[str, typer.Argument(help="As it was blocked, or its number in the list.")]) -> None:
    """Let an address or a network in again."""
    from identry.cli import blocked_ips as command

    raise typer.Exit(command.remove(address))
