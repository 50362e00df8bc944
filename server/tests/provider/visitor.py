"""A browser as small as one can be, for hosted pages: cookies, redirects, forms found by the names of their fields.

It believes what a browser would: it is at the issuer's address (`https://auth.example.com`), and the test's port is
behind that. A cookie that a browser would not keep fails the test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2
from harness import Harness, Person

_LONGEST_WAY = 15


@dataclass
class Form:
    """A form of a page.

    Attributes:
        fields: name → value of what would be sent untouched: filled-in fields, the checked ones of those to check.
        buttons: name and value of each button that has a name.
    """

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(told.get("action", ""), told.get("method", "get").lower()))
            self._open = True
        elif not self._open or not told.get("name") or "disabled" in told:
            return
        elif tag == "button" or (tag == "input" and told.get("type") == "submit"):
            self.found[-1].buttons.append((told["name"], told.get("value", "")))
        elif (tag == "input" and (told.get("type") not in {"checkbox", "radio"} or "checked" in told)) or (
            tag in {"select", "textarea"}
        ):
            self.found[-1].fields[told["name"]] = told.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


@dataclass
class Page:
    """What the browser shows, or where it was sent away to.

    Attributes:
        url: of the page; when it `left`, the address outside that it was sent to (nobody went there).
        status: 0 when it left.
    """

    url: str
    status: int
    text: str
    headers: httpx2.Headers
    left: bool = False

    @property
    def path(self) -> str:
        """The address without its query."""
        return urlsplit(self.url).path

    @property
    def told(self) -> dict[str, str]:
        """The parameters that came with the address, or with the form that was posted to it."""
        pairs = parse_qsl(urlsplit(self.url).query, keep_blank_values=True)
        assert len(dict(pairs)) == len(pairs), f"a parameter comes twice: {self.url}"
        return dict(pairs)

    @property
    def forms(self) -> list[Form]:
        """Its forms."""
        reader = _Forms()
        reader.feed(self.text)
        return reader.found

    def form(self, *names: str) -> Form | None:
        """The first form that has all these fields or buttons."""
        for form in self.forms:
            if set(names) <= set(form.fields) | {name for name, _ in form.buttons}:
                return form
        return None


class Visitor:
    """One person's browser.

    Args:
        app: whom it visits.
        person: who sits there, and signs in when a page asks for it.

    Attributes:
        cookies: name → value.
        asked: what the person was asked for so far: `sign-in`, `consent`.
    """

    def __init__(self, app: Harness, person: Person | None = None) -> None:
        self.app = app
        self.person = person
        self.origin = app.env["OAUTH_ISSUER"].rstrip("/")
        self.cookies: dict[str, str] = {}
        self.asked: list[str] = []
        self.ip = app.fresh_ip()
        self.language = "en"

    async def get(self, url: str) -> Page:
        """Follow an address to the page that it ends at."""
        return await self._go("GET", url)

    async def post(self, url: str, fields: dict[str, str]) -> Page:
        """Send a form of this site."""
        return await self._go("POST", url, fields, sender=self.origin)

    async def arrive(self, url: str, fields: dict[str, str] | None = None) -> Page:
        """Come from another site, by a link or (with `fields`) by a form of that site."""
        return await self._go("POST" if fields else "GET", url, fields, sender="https://rp.example.com")

    async def submit(self, page: Page, button: tuple[str, str] | None = None, **values: str) -> Page:
        """Fill in the form that has these fields and send it; `button` names the one that is pressed."""
        form = page.form(*values, *((button[0],) if button else ()))
        assert form is not None, f"no form with {sorted(values)} on {page.url}:\n{page.text[:3000]}"
        pressed = dict([button]) if button else dict(form.buttons[:1])
        fields = {**form.fields, **pressed, **values}
        target = urljoin(page.url, form.action)
        if form.method == "get":
            return await self.get(f"{target.partition('?')[0]}?{urlencode(fields)}")
        if not target.startswith(self.origin + "/"):
            return Page(f"{target}?{urlencode(fields)}", 0, "", page.headers, left=True)
        return await self.post(target, fields)

    async def through(self, page: Page) -> Page:
        """Do what the pages ask until they lead away (or to a page that asks for nothing): sign in, agree."""
        for _ in range(_LONGEST_WAY):
            if page.left or page.status >= 400:
                return page
            if page.form("password"):
                assert self.person is not None, "nobody sits here"
                self.asked.append("sign-in")
                page = await self.submit(page, email=self.person.email, password=self.person.password)
            elif page.path == "/consent":
                self.asked.append("consent")
                page = await self.submit(page, ("decision", "agree"))
            elif page.path == "/oauth/authorize" and len(page.forms) == 1:
                page = await self.submit(page)  # response_mode=form_post: its script sends it
            else:
                return page
        raise AssertionError("the pages never end")

    async def _go(self, method: str, url: str, fields: dict[str, str] | None = None, sender: str = "") -> Page:
        for _ in range(_LONGEST_WAY):
            if not url.startswith(self.origin + "/"):
                return Page(url, 0, "", httpx2.Headers(), left=True)
            reply = await self._send(method, url, fields, sender)
            if not reply.is_redirect:
                return Page(url, reply.status_code, reply.text, reply.headers)
            if reply.status_code != 307:
                method, fields = "GET", None
            url = urljoin(url, reply.headers["location"])
        raise AssertionError(f"redirects never end: {url}")

    async def _send(self, method: str, url: str, fields: dict[str, str] | None, sender: str) -> httpx2.Response:
        headers = {
            "X-Forwarded-For": self.ip,
            "Accept": "text/html,application/xhtml+xml",
            "Accept-Language": self.language,
            "Sec-Fetch-Site": {"": "none", self.origin: "same-origin"}.get(sender, "cross-site"),
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        }
        if method == "POST":
            headers["Origin"] = sender or "null"
        # Cookies of ours are SameSite=Lax: a form of another site comes without them.
        if self.cookies and not (method == "POST" and sender != self.origin):
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        target = url[len(self.origin) :]
        reply = await self.app.http.request(method, target, data=fields, headers=headers, follow_redirects=False)
        for line in reply.headers.get_list("set-cookie"):
            self._keep(line)
        return reply

    def _keep(self, line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            assert morsel["secure"], line
            assert morsel["httponly"], line
            assert morsel["samesite"].lower() in {"lax", "strict"}, line
            if name.startswith("__Host-"):
                assert (morsel["path"], morsel["domain"]) == ("/", ""), line
            if morsel["max-age"] == "0" or not morsel.value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
