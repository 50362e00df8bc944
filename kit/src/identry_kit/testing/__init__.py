"""For the tests of a service: an issuer in the same process, a clock that moves, a caller without a request.

`Issuer` mints any token, serves its keys on the loopback interface (or through an `httpx2` transport, without a
socket), rotates them and breaks in every way that a real one does; `MovableClock` is for the arguments called `clock`;
`acting_as` is a request context. With pytest the fixtures `identry_issuer`, `identry_mint`, `identry_clock` and
`identry_acting_as` are there once the kit is installed (`identry_kit.pytest_plugin`).

Source: contracts/kit.md §13; the claims are those of contracts/provider-api.md §8.
"""

from identry_kit.testing.caller import acting_as
from identry_kit.testing.clock import MovableClock
from identry_kit.testing.issuer import AUDIENCE, ISSUER, SUBJECT, TENANT, TTL, Issuer
from identry_kit.testing.keypair import KeyPair
from identry_kit.testing.recipes import RECIPES, Recipe

__all__ = [
    "AUDIENCE",
    "ISSUER",
    "RECIPES",
    "SUBJECT",
    "TENANT",
    "TTL",
    "Issuer",
    "KeyPair",
    "MovableClock",
    "Recipe",
    "acting_as",
]
