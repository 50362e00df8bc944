"""The program's commands. Each loads what it needs when it runs, so that `identry --help` and `version` are instant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from identry.cli.apps_commands import apps
from identry.cli.blocked_ips_commands import blocked_ips

program = typer.Typer(
    name="identry",
    help="Identry, a self-hosted identity platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


program.add_typer(apps, name="apps")
program.add_typer(blocked_ips, name="blocked-ips")


@program.command()
def dev(
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="PORT, or 3097")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".identry"),
    reset: Annotated[bool, typer.Option("--reset", help="Forget the data, the keys and the login first.")] = False,
    card_json: Annotated[Path | None, typer.Option(help="Write the card as JSON once the port answers.")] = None,
) -> None:
    """Start everything on this machine: PostgreSQL, the server, an administrator. Nothing to install or to set."""
    from identry.cli import dev as command

    raise typer.Exit(command.dev(command.DevOptions(host, port, data_dir, reset, card_json)))


@program.command()
def serve() -> None:
    """Start the production server; configured by environment variables and .env alone."""
    from identry.cli.serve import serve as run

    raise typer.Exit(run())


@program.command()
def env(template: Annotated[bool, typer.Option("--template", help="Print a .env file of every variable.")]) -> None:
    """Print a template of the configuration."""
    from identry.settings import env_template

    if template:
        typer.echo(env_template())


@program.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"identry {installed('identry')}")


@program.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Option(help="Address of the account.")],
    name: Annotated[str, typer.Option(help="Full name.")] = "Administrator",
    promote: Annotated[bool, typer.Option("--promote", help="Promote an existing account instead.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make a platform superadmin. Without a terminal and without --password-stdin, a password is made and printed."""
    from identry.cli import admin

    raise typer.Exit(admin.create_admin(email, name, promote=promote, from_stdin=password_stdin))


@program.command("reset-mfa")
def reset_mfa(email: Annotated[str, typer.Argument(help="Whose, by address.")]) -> None:
    """Take a lost second factor off an account. Its sessions end, and its owner gets mail."""
    from identry.cli import second_factor as command

    raise typer.Exit(command.reset(email))


@program.command()
def doctor() -> None:
    """Check the configuration and everything it points to; say what is wrong and what to do."""
    from identry.cli import doctor as command

    raise typer.Exit(command.doctor())


migrate = typer.Typer(help="Database migrations.", no_args_is_help=True)
program.add_typer(migrate, name="migrate")


@migrate.command("up")
def migrate_up() -> None:
    """Apply every pending migration."""
    from identry.cli import migrations

    raise typer.Exit(migrations.up())


@migrate.command("down")
def migrate_down(steps: Annotated[int, typer.Argument(min=1, help="How many.")] = 1) -> None:
    """Take the last migrations back. Their data is lost."""
    from identry.cli import migrations

    raise typer.Exit(migrations.down(steps))


@migrate.command("status")
def migrate_status() -> None:
    """Print where the database stands."""
    from identry.cli import migrations

    raise typer.Exit(migrations.status())


@migrate.command("force")
def migrate_force(version: Annotated[int, typer.Argument(min=0, help="The version to record; 0 for none.")]) -> None:
    """Record a version without running anything, after a dirty database was put right by hand."""
    from identry.cli import migrations

    raise typer.Exit(migrations.force(version))


keys = typer.Typer(help="Signing keys.", no_args_is_help=True)
program.add_typer(keys, name="keys")


class Algorithm(StrEnum):
    """What a signing key can be."""

    RS256 = "RS256"
    ES256 = "ES256"
    EdDSA = "EdDSA"


_Algorithm = Annotated[Algorithm, typer.Option(help="RS256 is what every verifier can.")]


@keys.command("generate")
def keys_generate(
    algorithm: _Algorithm = Algorithm.RS256,
    bits: Annotated[int, typer.Option(min=2048, max=8192, help="Size of an RSA key.")] = 3072,
) -> None:
    """Print a new private key in PEM, for JWT_SIGNING_KEY_PEM. Nothing is stored."""
    from identry.cli import keys as command

    raise typer.Exit(command.generate(algorithm.value, bits))


@keys.command("list")
def keys_list() -> None:
    """Print every signing key with its state."""
    from identry.cli import keys as command

    raise typer.Exit(command.show())


@keys.command("rotate")
def keys_rotate(
    algorithm: _Algorithm = Algorithm.RS256,
    now: Annotated[bool, typer.Option("--now", help="Sign with it at once.")] = False,
) -> None:
    """Make a new signing key: published now, signing when every verifier's cache has it."""
    from identry.cli import keys as command

    raise typer.Exit(command.rotate(algorithm.value, now=now))


@keys.command("retire")
def keys_retire(
    kid: Annotated[str, typer.Argument(help="Which key.")],
    now: Annotated[bool, typer.Option("--now", help="Withdraw it at once and for good; its tokens die.")] = False,
) -> None:
    """Let a superseded key leave the JWKS when its last token has expired."""
    from identry.cli import keys as command

    raise typer.Exit(command.retire(kid, now=now))


@program.command("finance-migrate")
def finance_migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-dry-run", help="Write nothing; count what would be done.")
    ] = False,
    replace_conflicts: Annotated[
        bool,
        typer.Option(
            "--replace-conflicts", help="Delete accounts here that hold the address of a Finance user with another id."
        ),
    ] = False,
) -> None:
    """Import accounts and memberships from FINANCE_DATABASE_URL. Can be run again; exit code 2: rows were left out."""
    from identry.cli import finance_migrate as command

    raise typer.Exit(command.finance_migrate(dry_run=dry_run, replace_conflicts=replace_conflicts))


entitlements = typer.Typer(help="What companies own, by the built-in plans.", no_args_is_help=True)
program.add_typer(entitlements, name="entitlements")


@entitlements.command("plans")
def entitlements_plans() -> None:
    """Print the plans and their modules."""
    from identry.cli import entitlements as command

    raise typer.Exit(command.plans())


@entitlements.command("show")
def entitlements_show(company: Annotated[str, typer.Argument(help="The company's UUID.")]) -> None:
    """Print the plan of a company."""
    from identry.cli import entitlements as command

    raise typer.Exit(command.show(company))


@entitlements.command("set")
def entitlements_set(
    company: Annotated[str, typer.Argument(help="The company's UUID.")],
    plan: Annotated[str, typer.Argument(help="One of `identry entitlements plans`.")],
) -> None:
    """Give a company a plan; it counts from the next request on."""
    from identry.cli import entitlements as command

    raise typer.Exit(command.assign(company, plan))


tenant = typer.Typer(help="Tenants: companies as their own people see them.", no_args_is_help=True)
program.add_typer(tenant, name="tenant")


@tenant.command("create")
def tenant_create(
    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, hyphens.")],
    name: Annotated[str, typer.Option(help="Name that people see.")],
    tenant_id: Annotated[
        str | None, typer.Option("--id", help="UUID of the company.", show_default="a new one")
    ] = None,
    admin: Annotated[str | None, typer.Option(help="Address of an account that becomes its administrator.")] = None,
) -> None:
    """Make a tenant with its built-in groups. (The first membership of a company makes one by itself.)"""
    from identry.cli import tenants as command

    raise typer.Exit(command.create(slug, name, tenant_id, admin))


@program.command()
def explain(
    user: Annotated[str, typer.Argument(help="Address or UUID of an account.")],
    permission: Annotated[str, typer.Argument(help="For example users:read.")],
    in_tenant: Annotated[
        str | None, typer.Option("--tenant", help="Slug or UUID.", show_default="that of the user's next session")
    ] = None,
) -> None:
    """Say why somebody may do something, or not, and what would have to change. Exit code 2: may not."""
    from identry.cli import tenants as command

    raise typer.Exit(command.explain(user, permission, in_tenant))
