"""The catalogue: plans → modules → permissions, as data.

A JSON file (`ENTITLEMENTS_FILE`, else the one that comes with the release)::

    {
        "version": 1,
        "default": "complete",
        "modules": {"finance": ["finance.expense.create", "finance.expense.read"]},
        "plans": {
            "complete": {"modules": ["*"]},
            "reader": {"modules": ["finance"], "permissions": ["finance.expense.read"]},
        },
    }

A plan owns its modules with all their permissions, or only those that it lists. Raise `version` with each change.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from identry.entitlements.port import Owned

EVERYTHING = "*"
MAX_BYTES = 4 << 20

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$(?!\n)")]
Permission = Annotated[str, Meta(max_length=200, pattern=r"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)+$(?!\n)")]


class CatalogueError(Exception):
    """The file cannot be used; the text says why, in one line."""


class _Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    modules: list[str]
    permissions: list[Permission] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    version: Annotated[int, Meta(ge=1, le=1 << 30)]
    default: str
    modules: dict[Name, list[Permission]]
    plans: dict[Name, _Plan]


class Catalogue:
    """What there is to own.

    Attributes:
        version: of the file; part of every `entitlementVersion`.
        default: the plan of a company for which none was chosen.
        plans: their names.
    """

    def __init__(self, file: _File) -> None:
        self.version = file.version
        self.default = file.default
        self.plans = tuple(sorted(file.plans))
        self._permissions = {name: frozenset(permissions) for name, permissions in file.modules.items()}
        self._owned = {name: self._of(name, plan) for name, plan in file.plans.items()}
        if self.default not in self._owned:
            raise CatalogueError(f"the default plan {self.default!r} is not among the plans")

    @classmethod
    def load(cls, path: Path | None = None) -> Catalogue:
        """The catalogue of a file; None: the one that comes with the release.

        Raises:
            CatalogueError: it cannot be read, or says something impossible.
        """
        try:
            if path is None:
                raw = (resources.files(__package__) / "catalogue.json").read_bytes()
            else:
                with path.open("rb") as file:
                    raw = file.read(MAX_BYTES + 1)
            if len(raw) > MAX_BYTES:
                raise CatalogueError(f"{path}: larger than {MAX_BYTES} bytes")
            return cls(msgspec.json.decode(raw, type=_File))
        except OSError as error:
            raise CatalogueError(f"{path}: cannot be read ({error.strerror})") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CatalogueError(f"{path}: {error}") from None
        except CatalogueError as error:
            raise CatalogueError(f"{path}: {error}") from None

    def owned(self, plan: str, plan_version: int) -> Owned | None:
        """What a company with this plan, chosen for the `plan_version`th time, owns; None for an unknown plan."""
        base = self._owned.get(plan)
        if base is None:
            return None
        version = self.version + plan_version
        return Owned(base.modules, base.permissions, version, f"{version}-{base.proof}")

    def permissions_of(self, modules: Iterable[str]) -> frozenset[str]:
        """Every permission of these modules; a module that the catalogue does not know has none."""
        return frozenset().union(*(self._permissions.get(module, frozenset()) for module in modules))

    def _of(self, name: str, plan: _Plan) -> Owned:
        modules = frozenset(self._permissions) if EVERYTHING in plan.modules else frozenset(plan.modules)
        if unknown := sorted(modules - self._permissions.keys()):
            raise CatalogueError(f"plan {name!r} has modules that are not in the catalogue: {', '.join(unknown)}")
        every = self.permissions_of(modules)
        permissions = every if plan.permissions is None else frozenset(plan.permissions)
        if unknown := sorted(permissions - every):
            raise CatalogueError(f"plan {name!r} has permissions that its modules do not have: {', '.join(unknown)}")
        return Owned.of(modules, permissions, self.version)
