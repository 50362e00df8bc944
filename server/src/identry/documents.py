"""The generated documents: `python -m identry.documents` writes them, `--check` fails when one is not current.

`docs/openapi.yaml` and `docs/errors.md` come from the operation table of an application with everything mounted,
`docs/configuration.md` from the settings. Nothing is opened: no database, no port.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from identry import __version__
from identry.app import Application
from identry.core import jose
from identry.settings import configuration_markdown, load
from identry.web.openapi import document
from identry.web.openapi.catalogue import errors_markdown
from identry.web.operations import Operation

_YAML_HEAD = "# Generated from the operation table by `make docs`. Do not edit.\n"


def full_table() -> list[Operation]:
    """Every operation that a configuration can mount, in the order of `app.rooms`."""
    environment = {
        "APP_ENV": "production",
        "DATABASE_URL": "postgresql://identry@localhost/identry",
        "REDIS_URL": "redis://localhost/0",
        "FINANCE_DATABASE_URL": "postgresql://identry@localhost/finance",
        "JWT_SIGNING_KEY_PEM": jose.generate().private_pem(),
        "SECRET_KEY": "of no use: no secret is made " + "x" * 32,
        "INTERNAL_API_KEY": "of-no-use-" + "x" * 32,
        "API_PUBLIC_URL": "https://auth.example.com",
        "APP_BASE_URL": "https://app.example.com",
        "OAUTH_ISSUER": "https://auth.example.com",
        "DYNAMIC_REGISTRATION": "true",
        "MS_CLIENT_ID": "00000000-0000-4000-8000-000000000000",
        "MS_CLIENT_SECRET": "of no use",
        "PUBLIC_REGISTRATION_ENABLED": "true",
        "SMTP_URL": "smtp://localhost:25",
        "EMAIL_FROM": "identry@example.com",
    }
    return Application(load(environment)).operations


@functools.cache
def documents() -> dict[str, str]:
    """File name below `docs/` → its text; made once."""
    table = full_table()
    return {
        "openapi.yaml": _YAML_HEAD + as_yaml(document(table, version=__version__)),
        "errors.md": errors_markdown(table),
        "configuration.md": configuration_markdown(),
    }


class _Dumper(yaml.SafeDumper):
    """Readable YAML: no anchors, long texts as literal blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        """Repeat instead of `&id001`."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - as above
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(value: Mapping[str, Any]) -> str:
    """`value` as YAML in the order of its keys."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def main(arguments: list[str] | None = None) -> int:
    """Write the documents, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m identry.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is not current")
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="where the documents lie")
    options = parser.parse_args(arguments)
    stale = []
    for name, text in documents().items():
        path: Path = options.folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        done = "not current, run `make docs`" if options.check else "written"
        sys.stdout.write(f"{', '.join(stale)}: {done}\n")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
