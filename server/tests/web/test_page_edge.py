"""The error edge of a server with pages."""

from __future__ import annotations

from typing import Any, cast

from structlog.testing import capture_logs

from identry.web.errors import render
from identry.web.pages import Pages, edge
from identry.web.surfaces import is_page
from identry_kit.apierror import NotFound


class Torn:
    """Pages whose templates are broken."""

    def render(self, error: object, scope: object) -> Any:
        raise KeyError("t")


def test_a_page_that_cannot_be_rendered_is_answered_in_words_and_leaves_a_trace() -> None:
    answered = edge(cast("Pages", Torn()), is_page, render)
    scope: Any = {"type": "http", "method": "GET", "path": "/login", "headers": []}
    with capture_logs() as lines:
        status, _, body = answered(NotFound(), scope)
    assert (status, b"KeyError" in body) == (500, False)
    assert [(line["event"], line["exc_info"]) for line in lines] == [("pages.error_not_rendered", True)]
    with capture_logs() as lines:
        status, _, _ = answered(NotFound(), {**scope, "path": "/auth/me"})
    assert (status, lines) == (404, [])
