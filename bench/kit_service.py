"""One Starlette endpoint on the server that Identry stands on: bare, and in the kit's full stack.

`/bare` is bare. `/full` is in the stack and `JWTAuth`, with `logging` as Python starts: lines at INFO go nowhere. At
`/limited` there is a limiter, too. At `/logged` besides, each request's line is made, formatted and written to
/dev/null as `logging` does it.
`python -m bench.kit_service --port 4000` serves; `BENCH_KIT_PEM` and `BENCH_KIT_KID` name the key of the tokens.
"""

from __future__ import annotations

import argparse
import logging
import os
from typing import Any

from granian.constants import Loops
from granian.log import LogLevels
from granian.server.mp import MPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from identry.cli.granian_options import options
from identry_kit import context
from identry_kit.apierror import ASGIApp, Receive, Scope, Send, exception_handlers
from identry_kit.httpware import RateLimiter, standard_stack
from identry_kit.jwtauth import JWTAuth, Key, StaticKeys, Verifier
from identry_kit.testing import AUDIENCE, ISSUER

PEM, KID = "BENCH_KIT_PEM", "BENCH_KIT_KID"


async def _hello(_request: Request) -> JSONResponse:
    return JSONResponse({"hello": "world"})


async def _hello_caller(_request: Request) -> JSONResponse:
    return JSONResponse({"hello": context.user_sub()})


def _full(path: str, verifier: Verifier, *, limited: bool = True, **options: Any) -> ASGIApp:
    inner: ASGIApp = Starlette(routes=[Route(path, _hello_caller)], exception_handlers=exception_handlers())
    if limited:
        inner = RateLimiter(inner, 1e9, 1_000_000_000)
    return standard_stack(JWTAuth(inner, verifier), **options)


def create() -> ASGIApp:
    """The four applications."""
    keys = StaticKeys([Key.from_pem(os.environ[PEM], os.environ[KID])])
    verifier = Verifier(keys, issuer=ISSUER, audience=AUDIENCE)
    written = logging.getLogger("bench.written")
    written.setLevel(logging.INFO)
    written.propagate = False
    written.addHandler(logging.FileHandler(os.devnull))
    bare = Starlette(routes=[Route("/bare", _hello)])
    apps = {
        "/full": _full("/full", verifier, limited=False),
        "/limited": _full("/limited", verifier),
        "/logged": _full("/logged", verifier, logger=written),
    }

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await apps.get(scope.get("path", ""), bare)(scope, receive, send)

    return either


def main() -> None:
    """Serve, with one worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    settings: dict[str, Any] = {**options(), "loop": Loops.uvloop, "factory": True, "log_level": LogLevels.warning}
    MPServer("bench.kit_service:create", address="127.0.0.1", port=given.port, workers=1, **settings).serve()


if __name__ == "__main__":
    main()
