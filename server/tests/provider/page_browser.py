"""A browser without JavaScript at the hosted pages: keeps cookies, follows redirects, reads pages, sends forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from harness import Harness, Person

ORIGIN = "https://auth.example.com"


@dataclass
class Form:
    """A form of a page: where it goes, and what its fields hold."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._silent = 0
        self._form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.tags.append((tag, told))
        if tag in {"script", "style"}:
            self._silent += 1
        elif tag == "form":
            self._form = Form(told.get("action", ""), told.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif self._form is not None and tag in {"input", "select", "textarea"} and _counts(told):
            self._form.fields[told["name"]] = told.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._silent -= 1
        elif tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            goes_on = self.tags and self.tags[-1][0] == "wbr" and self.texts
            glued = self.texts.pop() if goes_on else ""
            self.texts.append(glued + " ".join(data.split()))


def _counts(told: dict[str, str]) -> bool:
    """Whether a browser sends a field as it stands."""
    return bool(told.get("name")) and (told.get("type") not in {"checkbox", "radio"} or "checked" in told)


@dataclass
class Page:
    """What the browser shows."""

    reply: httpx2.Response
    path: str

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.reply.text)
        self.forms, self.links, self.tags = reader.forms, reader.links, reader.tags
        self.text = " ".join(reader.texts)

    @property
    def status(self) -> int:
        return self.reply.status_code

    def form(self, ending: str = "") -> Form:
        """The form whose action ends so (before its query); the first one if nothing is said."""
        return next(form for form in self.forms if urlsplit(form.action).path.endswith(ending))


@dataclass
class PageBrowser:
    """One browser.

    Attributes:
        app: the application.
        cookies: what it holds.
        headers: what it says of itself, for example `Accept-Language`.
        address: where it is.
    """

    app: Harness
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""
    page: Page = field(init=False)

    def __post_init__(self) -> None:
        self.address = self.address or self.app.fresh_ip()

    async def send(self, method: str, url: str, **more: Any) -> httpx2.Response:
        """One request; its cookies are kept, its redirect is not followed."""
        told = {"X-Forwarded-For": self.address, **self.headers, **more.pop("headers", {})}
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = await self.app.http.request(method, url, headers=told, **more)
        for line in reply.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return reply

    async def open(self, url: str) -> Page:
        """Go to an address of this server, through redirects within it."""
        return await self._follow(await self.send("GET", url), url)

    async def submit(self, ending: str = "", /, **fields: str) -> Page:
        """Fill in a form of the page and send it."""
        form = self.page.form(ending)
        reply = await self.send("POST", form.action, data={**form.fields, **fields}, headers={"Origin": ORIGIN})
        return await self._follow(reply, form.action)

    async def sign_in(self, person: Person, url: str = "/login") -> Page:
        """Open the sign-in and fill it in."""
        await self.open(url)
        return await self.submit("/login", email=person.email, password=person.password)

    async def _follow(self, reply: httpx2.Response, url: str) -> Page:
        for _ in range(10):
            if reply.status_code not in {302, 303}:
                break
            url = urljoin(url, reply.headers["location"])
            parts = urlsplit(url)
            if parts.netloc and f"{parts.scheme}://{parts.netloc}" != ORIGIN:
                break
            url = parts._replace(scheme="", netloc="").geturl()
            reply = await self.send("GET", url)
        self.page = Page(reply, url)
        return self.page

    @property
    def session(self) -> str | None:
        """The cookie of its single sign-on session."""
        return self.cookies.get("__Host-identry_session")
