"""The provider surface in memory: public and admin routes, answering what contracts/provider-api.md §2–§12 says."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from standin.faults import Faults

APP_ID = 7
CLIENT_ID = "my-app"
CLIENT_SECRET = "s3cret-of-the-application"
ADMIN = 1
CREATED = "2026-01-02T03:04:05.678901234Z"
ROLES = {"admin", "manager", "editor", "viewer", "user"}
PROFILE = ("name", "title", "division", "company", "country", "phone", "job_title", "department", "language")
WRITABLE = (*PROFILE, "timezone", "avatar_url")


class Refused(Exception):
    def __init__(self, status: int, error: str, **more: Any) -> None:
        self.status, self.body = status, {"error": error, **more}


@dataclass
class Provider(Faults):
    """One application with members. `now` is its clock, `lifetime` that of access tokens in seconds."""

    now: Callable[[], float] = time.time
    lifetime: int = 900
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # access token → sub
    one_time: dict[str, Any] = field(default_factory=dict)  # codes, refresh tokens and magic tokens → whose
    used: set[str] = field(default_factory=set)
    links: dict[str, int] = field(default_factory=dict)  # address → links sent
    policy: bool = True

    def __post_init__(self) -> None:
        super().__init__()
        self.add("admin@example.com", "admin", name="Ada Admin")

    # What tests prepare.

    def add(self, email: str, role: str = "user", *, name: str = "", password: str = "") -> int:
        uid = len(self.users) + 1
        self.users[uid] = {
            "id": uid, "email": email, "name": name or email, "role": role, "is_verified": True,
            "invite_sent": False, "created_at": CREATED, "password": password, "profile": {},
        }  # fmt: skip
        return uid

    def token(self, sub: str) -> str:
        """An access token that looks like one: three parts, the second with `exp`."""
        claims = {"sub": sub, "exp": int(self.now()) + self.lifetime, "jti": secrets.token_hex(8)}
        parts = [{"alg": "RS256"}, claims, {"signature": secrets.token_hex(8)}]
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        self.tokens[token] = sub
        return token

    def user_token(self, uid: int = ADMIN) -> str:
        return self.token(str(uid))

    def code(self, uid: int = ADMIN) -> str:
        code = secrets.token_urlsafe(24)
        self.one_time[code] = uid
        return code

    # Who is calling.

    def sub(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise Refused(401, "invalid or expired token")
        return self.tokens[token]

    def user(self, request: Request) -> dict[str, Any]:
        sub = self.sub(request)
        if sub.startswith("app:"):
            raise Refused(401, "a user's token is needed")
        user = self.users.get(int(sub))
        if user is None:
            raise Refused(404, "user not found")
        return user

    def app_admin(self, request: Request) -> None:
        if request.path_params["app"] != APP_ID or self.user(request)["role"] != "admin":
            raise Refused(403, "not an administrator of this application")

    def service(self, request: Request) -> None:
        sub = self.sub(request)
        if not sub.startswith("app:"):
            raise Refused(403, "a service token is needed")
        if sub != f"app:{request.path_params['app']}":
            raise Refused(403, "another application")

    def member(self, request: Request) -> dict[str, Any]:
        text = request.path_params["uid"]
        if not text.isdigit():
            raise Refused(400, "invalid user id")
        if int(text) not in self.users:
            raise Refused(404, "user not found")
        return self.users[int(text)]

    def client(self, form: dict[str, str], *, secret: bool = True) -> None:
        wrong = secret and form.get("client_secret") != CLIENT_SECRET
        if form.get("client_id") != CLIENT_ID or wrong:
            raise Refused(401, "invalid_client", error_description="unknown client or wrong secret")

    def issue(self, uid: int) -> dict[str, Any]:
        refresh = secrets.token_urlsafe(24)
        self.one_time[refresh] = uid
        return {
            "access_token": self.user_token(uid), "refresh_token": refresh, "id_token": self.token(f"id-{uid}"),
            "token_type": "Bearer", "expires_in": self.lifetime,
            "roles": ["user"], "app_roles": {CLIENT_ID: self.users[uid]["role"]},
        }  # fmt: skip


def shown(user: dict[str, Any]) -> dict[str, Any]:
    keys = ("id", "email", "name", "role", "is_verified", "invite_sent", "created_at")
    avatar = user["profile"].get("avatar_url")
    return {key: user[key] for key in keys} | ({"avatar_url": avatar} if avatar else {})


def full(user: dict[str, Any]) -> dict[str, Any]:
    profile = {key: value for key, value in user["profile"].items() if value}
    return {key: user[key] for key in ("id", "email", "name", "is_verified", "created_at")} | {"role": "user"} | profile


def change(user: dict[str, Any], body: dict[str, Any]) -> None:
    if not body or not set(body) <= set(WRITABLE):
        raise Refused(400, "nothing to update" if not body else "field cannot be changed")
    if not body.get("avatar_url", "https://").startswith("https://") and body["avatar_url"]:
        raise Refused(400, "avatar_url must be an https URL")
    user["name"] = body.pop("name", user["name"])
    user["profile"].update(body)


def route(path: str, method: str, handler: Callable[..., Any]) -> Route:
    """A handler gets the request and its JSON body; what it returns is the answer: (status, body)."""

    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            status, body = handler(request, json.loads(raw) if raw.startswith(b"{") else raw.decode())
        except Refused as refused:
            status, body = refused.status, refused.body
        return Response(status_code=status) if body is None else JSONResponse(body, status)

    return Route(path, endpoint, methods=[method])


def form_of(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, strict_parsing=True, max_num_fields=20).items()}


def public_app(provider: Provider) -> Starlette:
    def token(request: Request, text: str) -> Any:
        form = form_of(text)
        grant = form.get("grant_type")
        provider.client(form)
        if grant == "client_credentials":
            token = provider.token(f"app:{APP_ID}")
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": provider.lifetime, "scope": "api"}
        given = form.get("code" if grant == "authorization_code" else "refresh_token", "")
        if provider.one_time.pop(given, None) is None:
            raise Refused(400, "invalid_grant", error_description="unknown, used or expired")
        return 200, provider.issue(ADMIN) | {"scope": "openid"}

    def userinfo(request: Request, _: Any) -> Any:
        user = provider.user(request)
        return 200, {
            "sub": str(user["id"]), "email": user["email"], "email_verified": True, "name": user["name"],
            "preferred_username": user["email"], "role": user["role"], "app_roles": {CLIENT_ID: user["role"]},
        }  # fmt: skip

    def introspect(_: Request, text: str) -> Any:
        form = form_of(text)
        provider.client(form)
        sub = provider.tokens.get(form["token"])
        if sub is None:
            return 200, {"active": False}
        return 200, {
            "active": True, "sub": sub, "scope": "openid", "client_id": CLIENT_ID, "token_type": "Bearer",
            "exp": int(provider.now()) + 60, "iat": int(provider.now()), "aud": [CLIENT_ID], "amr": ["pwd"],
        }  # fmt: skip

    def revoke(_: Request, text: str) -> Any:
        form = form_of(text)
        provider.client(form)
        provider.tokens.pop(form["token"], None)
        return 200, {}

    def get_profile(request: Request, _: Any) -> Any:
        return 200, full(provider.user(request))

    def put_profile(request: Request, body: dict[str, Any]) -> Any:
        user = provider.user(request)
        change(user, body)
        return 200, full(user)

    def signup(_: Request, body: dict[str, str]) -> Any:
        provider.client(body, secret=False)
        if len(body["password"]) < 8:
            raise Refused(400, "password must have at least 8 characters")
        if any(user["email"] == body["email"] for user in provider.users.values()):
            raise Refused(400, "Email already exists")
        uid = provider.add(body["email"], name=body["name"], password=body["password"])
        return 201, {"user_id": uid, "message": "please verify", "verify_url": "http://localhost/verify?token=t"}

    def verify(_: Request, body: dict[str, str]) -> Any:
        if body["client_id"] != CLIENT_ID or not {body["token"]} & (provider.used | set(provider.one_time)):
            raise Refused(401, "invalid or expired link")
        if body["token"] in provider.used:
            raise Refused(422, "link already used")
        uid = provider.one_time.pop(body["token"])
        provider.used.add(body["token"])
        return 200, provider.issue(uid) | {"user_id": uid}

    def logout(request: Request, _: Any) -> Any:
        sub = provider.sub(request)
        provider.tokens = {token: whose for token, whose in provider.tokens.items() if whose != sub}
        return 200, {"message": "logged out"}

    return Starlette(
        routes=[
            route("/oauth/token", "POST", token),
            route("/oauth/userinfo", "GET", userinfo),
            route("/oauth/introspect", "POST", introspect),
            route("/oauth/revoke", "POST", revoke),
            route("/api/profile", "GET", get_profile),
            route("/api/profile", "PUT", put_profile),
            route("/api/auth/signup", "POST", signup),
            route("/api/auth/magic-link/verify", "POST", verify),
            route("/api/auth/logout", "POST", logout),
        ]
    )


def admin_app(provider: Provider) -> Starlette:
    def apps(request: Request, _: Any) -> Any:
        provider.user(request)
        other = {"id": 3, "client_id": "another"}
        return 200, {"apps": [other, {"id": APP_ID, "client_id": CLIENT_ID}], "total_count": 2}

    def list_users(request: Request, _: Any) -> Any:
        provider.app_admin(request)
        page, size = int(request.query_params["page"]), int(request.query_params["page_size"])
        size = size if 1 <= size <= 100 else 20
        search = request.query_params.get("search", "")
        found = [user for user in provider.users.values() if search in user["email"] or search in user["name"]]
        shown_page = [shown(user) for user in found[(page - 1) * size : page * size]]
        return 200, {"users": shown_page, "total_count": len(found), "page": page, "page_size": size}

    def add(body: dict[str, str]) -> Any:
        if body["role"] not in ROLES:
            raise Refused(400, "invalid role")
        if any(user["email"] == body["email"] for user in provider.users.values()):
            raise Refused(409, "user already has a role")
        uid = provider.add(body["email"], body["role"], name=body.get("name", ""))
        token = secrets.token_hex(16)
        return 201, {"user_id": uid, "invite_token": token, "role": body["role"], "email_sent": True}

    def create(request: Request, body: dict[str, str]) -> Any:
        provider.app_admin(request)
        return add(body)

    def get_user(request: Request, _: Any) -> Any:
        provider.app_admin(request)
        return 200, shown(provider.member(request))

    def put_user(request: Request, body: dict[str, str]) -> Any:
        provider.app_admin(request)
        provider.member(request)["role"] = body["role"]
        return 200, {"role": body["role"]}

    def delete_user(request: Request, _: Any) -> Any:
        provider.app_admin(request)
        del provider.users[provider.member(request)["id"]]
        return 204, None

    def mail(request: Request, _: Any) -> Any:
        provider.app_admin(request)
        provider.member(request)
        return 200, {"message": "sent"}

    def service_add(request: Request, body: dict[str, str]) -> Any:
        provider.service(request)
        return add(body)

    def service_get(request: Request, _: Any) -> Any:
        provider.service(request)
        return 200, shown(provider.member(request)) | {"token_version": 3, "locked": False}

    def service_patch(request: Request, body: dict[str, str]) -> Any:
        provider.service(request)
        user = provider.member(request)
        change(user, body)
        return 200, shown(user)

    def magic_link(request: Request, body: dict[str, str]) -> Any:
        provider.service(request)
        email = body["email"]
        provider.links[email] = provider.links.get(email, 0) + 1
        if provider.links[email] > 5:
            raise Refused(429, "too_many_requests", error_description="5 per hour")
        answer = {"message": "If the address is known, a link was sent."}
        uid = next((uid for uid, user in provider.users.items() if user["email"] == email), None)
        if uid is None:
            return 202, answer
        token = secrets.token_hex(32)
        provider.one_time[token] = uid
        return 202, answer | {"magic_url": f"http://localhost/magic?token={token}&client_id={CLIENT_ID}"}

    def decide(request: Request, body: dict[str, Any]) -> Any:
        provider.service(request)
        if body["action"].startswith("admin."):
            raise Refused(400, "the admin namespace is reserved")
        if not provider.policy:
            return 503, {"error": "no policy", "mode": "enforce"}
        allow = body.get("resource", {}).get("type") == "report"
        obligations = ["require_mfa"] if "subject" in body else []
        return 200, {
            "allow": allow, "rule": "reports", "reason": "because", "obligations": obligations,
            "policy_version": 4, "mode": "shadow", "pep_mode_accepted": True,
        }  # fmt: skip

    def login(_: Request, body: dict[str, str]) -> Any:
        for uid, user in provider.users.items():
            if user["email"] == body["email"] and user["password"] == body["password"] != "":
                return 200, provider.issue(uid) | {"user_id": uid, "must_change_password": True}
        raise Refused(401, "invalid credentials")

    users, service = "/api/apps/{app:int}/users", "/api/apps/{app:int}/service"
    return Starlette(
        routes=[
            route("/api/admin/apps", "GET", apps),
            route("/api/admin/login", "POST", login),
            route(users, "GET", list_users),
            route(users, "POST", create),
            route(users + "/{uid}", "GET", get_user),
            route(users + "/{uid}", "PUT", put_user),
            route(users + "/{uid}", "DELETE", delete_user),
            route(users + "/{uid}/resend-verification", "POST", mail),
            route(users + "/{uid}/reset-password", "POST", mail),
            route(service + "/users", "POST", service_add),
            route(service + "/users/{uid}", "GET", service_get),
            route(service + "/users/{uid}", "PATCH", service_patch),
            route(service + "/magic-link", "POST", magic_link),
            route(service + "/policy/decide", "POST", decide),
        ]
    )
