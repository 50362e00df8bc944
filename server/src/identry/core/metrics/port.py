"""The port that Prometheus asks: apart from the public one, served by the parent of the workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from identry.core.metrics.families import CONTENT_TYPE

Text = Callable[[], bytes]


class MetricsPort:
    """`GET /metrics` on an address of its own, answered by a thread.

    `text` gives the answer's body; one call at a time.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, host: str, port: int, text: Text) -> None:
        asking = threading.Lock()

        def answer() -> bytes:
            with asking:
                return text()

        class Handler(_Handler):
            body = staticmethod(answer)

        self._server = _Server((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        import socket

        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without the look-up of a host name that http.server does for CGI."""
        import socketserver

        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that hangs up is nobody's trouble."""


class _Handler(BaseHTTPRequestHandler):
    body: Text
    timeout = 5.0
    server_version = "identry"
    sys_version = ""

    def do_GET(self) -> None:  # the name that http.server calls
        """Answer one scrape."""
        found = self.path.partition("?")[0] == "/metrics"
        status = HTTPStatus.OK if found else HTTPStatus.NOT_FOUND
        body = self.body() if found else b"GET /metrics\n"
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        """Scrapes are not logged."""
