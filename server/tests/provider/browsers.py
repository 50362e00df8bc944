"""A browser that is signed in on the house's pages, without the pages: its session is opened as they open it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness import Harness, Person

from identry.app.page_rooms import page_signin
from identry.core.origin import Origin
from identry.records import users


@dataclass(slots=True)
class Browser:
    """A browser at the application: it keeps cookies and follows nothing."""

    app: Harness
    cookies: dict[str, str] = field(default_factory=dict)
    session_id: Any = None

    async def get(self, url: str, **more: Any) -> Any:
        """The answer to a GET; `url` is a path, or an address of the issuer."""
        return await self._send("GET", url, **more)

    async def post(self, url: str, **more: Any) -> Any:
        """The answer to a POST."""
        return await self._send("POST", url, **more)

    async def _send(self, method: str, url: str, **more: Any) -> Any:
        path = url.removeprefix(self.app.app.settings.issuer_url)
        sent = {"Accept": "text/html,*/*", "X-Forwarded-For": self.app.fresh_ip(), **more.pop("headers", {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = await self.app.http.request(method, path, headers=sent, follow_redirects=False, **more)
        for line in reply.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            self.cookies.pop(name, None)
            if value:
                self.cookies[name] = value
        return reply

    async def sign_in(self, person: Person, *amr: str) -> Browser:
        """Sign a person in as the pages do; `amr` is how (a password unless said otherwise)."""
        application = self.app.app
        engines, provider = application.engines, application.engines.provider
        assert provider is not None
        user = await users.find(engines.db, person.id)
        assert user is not None
        signed_in = await page_signin(application.settings, engines, provider).complete(
            user, amr or ("pwd",), Origin(ip="192.0.2.1", user_agent="test", request_id=None)
        )
        self.session_id = signed_in.tokens.session_id
        self.cookies[provider.pages.cookie.name] = signed_in.tokens.refresh_token
        return self
