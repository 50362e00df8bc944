"""The only wiring: settings → `engines` → `rooms` → `application`.

Read those three from top to bottom: nothing is registered by name, decorator or import side effect.
"""

from identry.app.application import Application, create

__all__ = ["Application", "create"]
