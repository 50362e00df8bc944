"""A small service, to have something to test: notes that only their author reads."""

from __future__ import annotations

from fastapi import FastAPI

from identry_kit import context
from identry_kit.apierror import forbidden, not_found
from identry_kit.jwtauth import Verifier
from identry_kit.jwtauth.fastapi import CurrentUser, install, require_scopes


def may_delete(author: str) -> None:
    """A rule below the web framework: authors may, and administrators. Raises Forbidden."""
    if context.user_sub() != author and context.user_role() != "admin":
        raise forbidden("only the author may delete a note")


def create_app(verifier: Verifier) -> FastAPI:
    """The service. Whose tokens it takes is an argument, so that a test can hand in its own issuer's."""
    app = FastAPI()
    install(app, verifier)
    notes: dict[int, tuple[str, str]] = {}

    @app.post("/notes", status_code=201, dependencies=[require_scopes("notes:write")])
    async def write(text: str, user: CurrentUser) -> dict[str, int]:
        notes[len(notes) + 1] = (user.sub, text)
        return {"id": len(notes)}

    @app.get("/notes/{note_id}")
    async def read(note_id: int, user: CurrentUser) -> dict[str, str]:
        author, text = notes.get(note_id, ("", ""))
        if author != user.sub:
            raise not_found("note", note_id)
        return {"text": text}

    return app
