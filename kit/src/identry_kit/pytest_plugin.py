"""Fixtures for the tests of a service, there as soon as the kit is installed beside pytest.

Until a test asks for one, this module loads nothing but pytest. To do without it: `-p no:identry_kit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from identry_kit import context
    from identry_kit.testing import Issuer, MovableClock


@pytest.fixture
def identry_clock() -> MovableClock:
    """A clock at the present that stands still until it is moved: give it to whatever takes a `clock`."""
    from identry_kit.testing import MovableClock  # only who asks pays

    return MovableClock()


@pytest.fixture
def identry_issuer(identry_clock: MovableClock) -> Iterator[Issuer]:
    """An issuer that answers over HTTP on the loopback interface and reads `identry_clock`."""
    from identry_kit.testing import Issuer  # as above

    with Issuer(clock=identry_clock) as issuer:
        yield issuer


@pytest.fixture
def identry_mint(identry_issuer: Issuer) -> Callable[..., str]:
    """`identry_mint(**claims)`: an access token of `identry_issuer`."""
    return identry_issuer.mint


@pytest.fixture
def identry_acting_as() -> Callable[..., AbstractContextManager[context.Request]]:
    """A request context for code below the web framework; see `identry_kit.testing.acting_as`."""
    from identry_kit.testing import acting_as  # as above

    return acting_as
