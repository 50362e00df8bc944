"""What development keeps in `.identry/` between starts: the signing key, the root secret, the machine key, the login.

Files are 0600 and appear whole (written aside, then renamed). A variable that is set wins over the kept file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from identry.core import jose, secrets

ADMIN_EMAIL = "admin@example.com"
_SIGNING_KEY = "signing-key.pem"
_SECRET_KEY = "secret-key"  # noqa: S105 - a file name
_INTERNAL_KEY = "internal-api-key"
_ADMINISTRATOR = "administrator.json"


class Administrator(msgspec.Struct, frozen=True):
    """The generated login of the first administrator."""

    email: str
    password: str


class Keepsakes:
    """The folder and what it keeps. Nothing is made before it is asked for.

    Args:
        folder: `.identry`; made when absent, passable for others but closed to them (PostgreSQL may have to run as
            another user below it when root starts it).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = folder / "postgres"

    def signing_key(self) -> str:
        """The private key as PEM (RSA, 2048 bits)."""
        return self._keep(_SIGNING_KEY, lambda: jose.generate_rsa().private_pem())

    def secret_key(self) -> str:
        """The root secret."""
        return self._keep(_SECRET_KEY, lambda: secrets.new_token(48))

    def internal_api_key(self) -> str:
        """The key of the machine routes."""
        return self._keep(_INTERNAL_KEY, secrets.new_token)

    def administrator(self) -> Administrator:
        """The generated login."""
        made = Administrator(ADMIN_EMAIL, secrets.new_token(15))
        text = self._keep(_ADMINISTRATOR, lambda: msgspec.json.encode(made).decode())
        return msgspec.json.decode(text, type=Administrator)

    def forget(self) -> None:
        """Delete everything that is kept, the database apart (its owner resets that)."""
        for name in (_SIGNING_KEY, _SECRET_KEY, _INTERNAL_KEY, _ADMINISTRATOR):
            (self.folder / name).unlink(missing_ok=True)
        if self.postgres.is_dir() and not any(self.postgres.iterdir()):
            shutil.rmtree(self.postgres)

    def _keep(self, name: str, make: Callable[[], str]) -> str:
        path = self.folder / name
        if path.exists() and (text := path.read_text(encoding="utf-8").strip()):
            return text
        self.folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        text = make().strip()
        write_private(path, text + "\n")
        return text


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads; it appears whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
