"""The configuration: one frozen `Settings`, read once, from the environment and `.env`. Source: platform-api.md §11.

`model` lists every variable; `values` reads their texts; `environment` is the only module that touches `os.environ`;
`rules` says what they must be together; `documents` writes what people read. Only `app` and `cli` import this
package: everything below gets plain values.
"""

from identry.settings.cautions import warnings
from identry.settings.documents import configuration_markdown, env_template
from identry.settings.environment import publish
from identry.settings.loading import Problem, SettingsError, export, gather, load, unread_names
from identry.settings.model import Settings
from identry.settings.rules import check, for_serving, load_for_serving
from identry.settings.values import Secret

__all__ = [
    "Problem",
    "Secret",
    "Settings",
    "SettingsError",
    "check",
    "configuration_markdown",
    "env_template",
    "export",
    "for_serving",
    "gather",
    "load",
    "load_for_serving",
    "publish",
    "unread_names",
    "warnings",
]
