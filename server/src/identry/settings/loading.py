"""From the environment to `Settings`, with every faulty variable reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from identry.settings import environment
from identry.settings.model import Settings
from identry.settings.values import Secret
from identry.settings.variables import variables_of


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing about the configuration that a person should know.

    Attributes:
        name: the variable.
        problem: what is wrong with it, without its value when that is secret.
        what_to_do: the way out.
    """

    name: str
    problem: str
    what_to_do: str

    def __str__(self) -> str:
        return f"{self.name} {self.problem}: {self.what_to_do}"


class SettingsError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: everything that is wrong with it.
        readable: the settings with defaults in place of what could not be read, to look for further problems.
    """

    def __init__(self, problems: Iterable[Problem], readable: Settings | None = None) -> None:
        self.problems = list(problems)
        self.readable = readable
        super().__init__("\n".join(map(str, self.problems)))


def load(given: Mapping[str, str] | None = None, *, env_file: Path | None = environment.ENV_FILE) -> Settings:
    """The settings of this process.

    Args:
        given: the variables; None for the process environment, completed by `env_file`.
        env_file: the `.env` file; None for none.

    Raises:
        SettingsError: with every variable that cannot be read.
    """
    if given is None:
        given = gather(env_file)
    found: dict[str, Any] = {}
    problems = []
    for attribute, variable in variables_of(Settings):
        text = given.get(variable.name, "")
        try:
            found[attribute] = variable.read(text)
        except ValueError as error:
            shown = "" if variable.secret else f" ({_short(text)})"
            problems.append(Problem(variable.name, f"{error}{shown}", variable.meaning))
            found[attribute] = variable.read("")
    if problems:
        raise SettingsError(problems, Settings(**found))
    return Settings(**found)


def export(settings: Settings) -> dict[str, str]:
    """The variables that give these settings again, for worker processes. Holds the secrets."""
    return {variable.name: _text(getattr(settings, attribute)) for attribute, variable in variables_of(settings)}


def unread_names(given: Mapping[str, str] | None = None) -> list[Problem]:
    """Variables that look like misspelt ones of ours."""
    names = [variable.name for _, variable in variables_of(Settings)]
    given = environment.variables() if given is None else given
    near = {name: difflib.get_close_matches(name, names, 1, 0.9) for name in given.keys() - set(names) if len(name) > 5}
    return [
        Problem(name, "is not read", f"did you mean {meant[0]}?")
        for name, meant in sorted(near.items())
        if meant and meant[0] not in given
    ]


def gather(env_file: Path | None = environment.ENV_FILE) -> dict[str, str]:
    """The texts of all variables: the process environment, completed by `env_file`.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        return environment.variables(env_file)
    except ValueError as error:
        raise SettingsError([Problem(str(env_file), str(error), "one NAME=value a line, as data")]) from None
    except OSError as error:
        raise SettingsError(
            [Problem(str(env_file), f"cannot be read ({error.strerror})", "check its rights")]
        ) from None


def _text(value: Any) -> str:
    match value:
        case Secret():
            return value.reveal()
        case bool():
            return "true" if value else "false"
        case timedelta():
            return f"{value // timedelta(microseconds=1)}us"
        case tuple():
            return ",".join(map(_text, value))
        case None:
            return ""
        case _:
            return str(value)


def _short(text: str) -> str:
    shown = repr(text.strip())
    return shown if len(shown) <= 60 else shown[:57] + "…'"
