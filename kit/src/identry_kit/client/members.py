"""Calls in the name of the caller: members of the application, managed by someone who may.

Routes: contracts/provider-api.md §2 and §12, on the admin address, with the caller's own token.
"""

from __future__ import annotations

from identry_kit.client.call import APP, As, Call, by_status, done, found, result
from identry_kit.client.config import Config, segment
from identry_kit.client.errors import AppIdMissing, UserAlreadyExists
from identry_kit.client.fields import Fields
from identry_kit.client.shapes import AppUser, CreateResult, UserList

_MEMBERS = f"/api/apps/{APP}/users"

already_exists = by_status({409: lambda _: UserAlreadyExists()})


def list_users(_: Config, search: str = "", page: int = 1, page_size: int = 20) -> Call[UserList]:
    """One page (from 1) of the application's members, of at most 100; `search` looks in names and addresses."""
    query: dict[str, str | int] = {"page": page, "page_size": page_size}
    if search:
        query["search"] = search
    return Call("list users", "GET", _MEMBERS, result(UserList.read), As.USER, admin=True, query=query)


def get_user(_: Config, user_id: int | str) -> Call[AppUser | None]:
    """A member of the application; None when there is no such member."""
    read = found(AppUser.read, lambda answer: answer.status == 404)
    return Call("get user", "GET", f"{_MEMBERS}/{segment(user_id)}", read, As.USER, admin=True)


def create_user(_: Config, email: str, role: str, *, name: str = "") -> Call[CreateResult]:
    """Add somebody to the application, making and inviting them if need be; without a name the address is taken.

    Raises UserAlreadyExists when they have a role there.
    """
    read = result(CreateResult.read, (201, 200), already_exists)
    return Call("create user", "POST", _MEMBERS, read, As.USER, admin=True, json=person(email, role, name))


def update_user_role(_: Config, user_id: int | str, role: str) -> Call[None]:
    """Change a member's role in the application: admin, manager, editor, viewer or user."""
    path = f"{_MEMBERS}/{segment(user_id)}"
    return Call("update user role", "PUT", path, done((200,)), As.USER, admin=True, json={"role": role})


def delete_user(_: Config, user_id: int | str) -> Call[None]:
    """Take somebody out of the application; their account stays."""
    return Call("delete user", "DELETE", f"{_MEMBERS}/{segment(user_id)}", done(), As.USER, admin=True)


def resend_verification(_: Config, user_id: int | str) -> Call[None]:
    """Mail the verification of their address to a member again."""
    path = f"{_MEMBERS}/{segment(user_id)}/resend-verification"
    return Call("resend verification", "POST", path, done(), As.USER, admin=True)


def force_password_reset(_: Config, user_id: int | str) -> Call[None]:
    """Mail a password reset to a member."""
    path = f"{_MEMBERS}/{segment(user_id)}/reset-password"
    return Call("force password reset", "POST", path, done(), As.USER, admin=True)


def find_app(config: Config) -> Call[str]:
    """The number of this client's application, as the caller may see it; raises AppIdMissing when it is not listed."""

    def read(fields: Fields) -> str:
        for app in fields.objects("apps"):
            if app.text("client_id", "") == config.client_id:
                return str(app.uint("id"))
        msg = "the caller sees no application with this client_id: pass Client(..., app_id=...)"
        raise AppIdMissing(msg)

    return Call("find app", "GET", "/api/admin/apps", result(read), As.USER, admin=True)


def person(email: str, role: str, name: str) -> dict[str, str]:
    """The body that adds a person; an empty name is left out."""
    return {"email": email, "role": role} | ({"name": name} if name else {})
