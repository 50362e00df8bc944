"""The issuer over HTTP on the loopback interface, from a thread: tests with and without an event loop can use it."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from identry_kit.testing.issuer import Issuer

PATIENCE = 30.0
"""Seconds after which even a `slow` answer is given up, so that no test hangs for ever."""


class Loopback:
    """A listening port at `url` that answers as `issuer` says."""

    def __init__(self, issuer: Issuer) -> None:
        class Handler(_Handler):
            source = issuer

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        arguments = {"poll_interval": 0.02}
        name = "identry-kit-issuer"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=arguments, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without asking the resolver for this machine's name, as the standard library's server does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    source: Issuer

    def do_GET(self) -> None:
        """Answer as the issuer's recipe says."""
        issuer = self.source
        answer = issuer.answer(self.path)
        recipe, changed = issuer.recipe, issuer.changed
        if issuer.delay:
            threading.Event().wait(issuer.delay)
        if recipe == "slow":
            changed.wait(PATIENCE)
        self.close_connection = True
        if recipe == "down":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif recipe == "garbage":
            self.wfile.write(b"\0\1\2 this is not HTTP\r\n\r\n")
        else:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's parameter name
        """Say nothing: a test's output is its own."""
