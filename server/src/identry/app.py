"""The only wiring: settings become pools, pools become services, services become rooms, rooms become one ASGI app.

Read it from top to bottom: nothing is registered by name, decorator or import side effect.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from identry import core
