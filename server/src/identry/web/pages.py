"""Pages for people: a template becomes an answer with its own content security policy; a form is a row of the table.

Everything that a browser needs to be told is told here: nonce, cookies, language, brand, what went wrong. A room's page
is one function `show(call, error=None)`: the row of its form calls it again with whatever the form ran into.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlencode

import structlog

from identry.core.limits import Limit
from identry.core.origin import Origin
from identry.core.secrets import new_token
from identry.pages import LANGUAGES, Brand, Catalog, Sheets, Texts
from identry.pages.sheets import FOLDER
from identry.web.call import Answer, Call, header_lines
from identry.web.cookies import Cookie
from identry.web.faults import Faults
from identry.web.operations import Guard, Handler, Operation
from identry.web.page_forms import FormGuard
from identry.web.page_policy import page_headers
from identry.web.static import StaticFile
from identry.web.trail import Trail, parameter, parameters
from identry_kit.apierror import APIError, Internal, Rendered, Scope, ServiceUnavailable, Unauthorized

HTML = "text/html; charset=utf-8"
_ASSETS = "/pages"
_YEAR = 365 * 86400

log = structlog.get_logger(__name__)


class Show(Protocol):
    """A page: as it is first seen, and with what its form ran into."""

    def __call__(self, call: Call, error: APIError | None = None) -> Awaitable[Answer]:
        """The answer."""


class SignInFirst(Unauthorized):
    """401: nobody is signed in in this browser, or not freshly enough; on a page it is a detour over the sign-in.

    Attributes:
        again: whether somebody is signed in, and has to do it again.
    """

    def __init__(self, *, again: bool = False) -> None:
        super().__init__("sign in first")
        self.again = again


@dataclass(frozen=True, slots=True)
class Worn:
    """Whose page it looks like.

    Attributes:
        brand: of the application that sent the person here.
        url: where that application lives; empty: not known.
        language: what it asks for (`ui_locales`).
    """

    brand: Brand
    url: str = ""
    language: str = ""


class Pages:
    """Makes the answers of pages.

    Args:
        house: the brand of this deployment.
        catalog: the texts.
        forms: guards what they send.
        secure: whether browsers reach the pages over TLS.
    """

    def __init__(self, house: Brand, catalog: Catalog, forms: FormGuard, *, secure: bool) -> None:
        self.house = house
        self.forms = forms
        self._catalog = catalog
        self._language = Cookie("identry_language", "/", _YEAR, "Lax", secure)
        script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
        self._files = [
            StaticFile.load(FOLDER / "files" / "pages.css", style, _ASSETS),
            StaticFile.load(FOLDER / "files" / "pages.js", script, _ASSETS),
            StaticFile.load(FOLDER / "files" / "icon.svg", "image/svg+xml", _ASSETS),
            StaticFile.load(FOLDER / "files" / "account.css", style, _ASSETS),
        ]
        names = ("style", "script", "icon", "account")
        self._sheets = Sheets(**{name: file.path for name, file in zip(names, self._files, strict=True)})

    # -- answers -----------------------------------------------------------------------------------------------------

    def show(
        self,
        call: Call,
        template: str,
        *,
        error: APIError | None = None,
        status: int = 200,
        worn: Worn | None = None,
        cookies: Iterable[tuple[bytes, bytes]] = (),
        images: Iterable[str] = (),
        language: str = "",
        leads_away: bool = False,
        **values: Any,
    ) -> Answer:
        """A page.

        Args:
            call: the request; what was typed into its form is shown again.
            template: below `identry/pages/templates`.
            error: what its form ran into: told on top and at the fields concerned; its status becomes the answer's.
            status: of the answer otherwise.
            worn: whose page it looks like; None: the house's own.
            cookies: lines that set or take away cookies.
            images: addresses of images that it shows besides the logos of house and application.
            language: what whoever reads has chosen for themselves; empty: nothing.
            leads_away: whether a form of it goes on at another server.
            values: what the template shows.
        """
        texts = self.texts(call, worn, language)
        secret, is_new = self.forms.browser(call)
        nonce = new_token(16)
        html = self._sheets.render(
            template,
            {
                "t": texts,
                "house": self.house,
                "brand": worn.brand if worn else self.house,
                "app_url": worn.url if worn else "",
                "guest": worn is not None,
                "nonce": nonce,
                "csrf": self.forms.token(secret),
                "trail": Trail.of(call),
                "here": _here(call),
                "typed": call.typed,
                "faults": Faults.of(error, texts),
                "languages": _languages(call, texts),
                **values,
            },
        )
        brands = [self.house, worn.brand] if worn else [self.house]
        policy = page_headers(
            nonce, [*(brand.logo_url for brand in brands), *images], leads_away=leads_away or worn is not None
        )
        headers = {**policy, **(error.headers if error else {})}
        lines = [*cookies, *([self.forms.cookie.holding(secret)] if is_new else []), *self._chosen(call)]
        return Answer(html.encode(), error.status if error else status, headers, tuple(lines))

    def go(self, where: str, *cookies: tuple[bytes, bytes]) -> Answer:
        """Go on at another page of ours (303: with GET, whatever this was)."""
        return Answer(b"", 303, {"Location": where}, cookies)

    def texts(self, call: Call, worn: Worn | None = None, own: str = "") -> Texts:
        """The texts in the language of whoever reads: chosen on a page, else asked for by the application, else theirs.

        `own` is what they chose in their profile.

        What was chosen is kept in a cookie.
        """
        chosen = parameter(call, "lang") or self._language.read(call) or ""
        return self._catalog.chosen(chosen, worn.language if worn else own, call.header(b"accept-language") or "")

    def speaking(self, language: str) -> tuple[bytes, bytes]:
        """The line that lets pages speak a language from now on; empty: the browser's own."""
        return self._language.holding(language) if language in LANGUAGES else self._language.cleared()

    def failed(self, call: Call, error: APIError, *, worn: Worn | None = None) -> Answer:
        """The page for what no form can put right; or the detour over the sign-in."""
        if isinstance(error, SignInFirst):
            return self.go(_sign_in(call, again=error.again))
        busy, looked = error.status == ServiceUnavailable.status, call.scope["method"] in {"GET", "HEAD"}
        return self.show(call, "error.html", error=error, worn=worn, retry=busy and looked, resend=busy and not looked)

    def render(self, error: APIError, scope: Scope) -> Rendered:
        """`failed` for the error edge, which knows no call."""
        answer = self.failed(Call(scope, {}, _nowhere), error)
        body = bytes(answer.data)
        lines = [(b"content-type", HTML.encode()), (b"content-length", b"%d" % len(body))]
        return answer.status or error.status, [*lines, *header_lines(answer.headers or {}), *answer.cookies], body

    def _chosen(self, call: Call) -> list[tuple[bytes, bytes]]:
        language = parameter(call, "lang")
        return [self._language.holding(language)] if language in LANGUAGES else []

    # -- rows --------------------------------------------------------------------------------------------------------

    def files(self) -> list[Operation]:
        """The rows that serve stylesheet, script and icon, named by their content."""
        return [file.operation() for file in self._files]

    def page(self, path: str, show: Show, summary: str, *, guard: Guard = Guard.PUBLIC, **more: Any) -> Operation:
        """The row of a page that is looked at."""

        async def handle(call: Call) -> Answer:
            return await show(call)

        async def refused(call: Call, error: APIError) -> Answer:
            if isinstance(error, SignInFirst) or error.status >= Internal.status:
                return self.failed(call, error)  # what the page shows cannot be had
            return await show(call, error)

        handle.__module__ = show.__module__  # the room's: its limits and errors are looked for there
        return Operation("GET", path, handle, summary, guard=guard, refused=refused, **{**_ROW, **more})

    def form(
        self,
        path: str,
        handler: Handler,
        show: Show,
        summary: str,
        *,
        body: type[Any],
        guard: Guard = Guard.FORM,
        limits: tuple[Limit, ...] = (),
        errors: tuple[type[APIError], ...] = (),
        **more: Any,
    ) -> Operation:
        """The row of a form; `show` is the page that it is on, which is shown again with whatever is wrong."""

        async def handle(call: Call) -> Any:
            self.forms.check_token(call)
            return await handler(call)

        async def refused(call: Call, error: APIError) -> Answer:
            if isinstance(error, SignInFirst):
                return self.failed(call, error)
            return await show(call, error)

        handle.__module__ = handler.__module__
        return Operation(
            "POST",
            path,
            handle,
            summary,
            guard=guard,
            body=body,
            form="only",
            refused=refused,
            limits=limits,
            errors=errors,
            **{**_ROW, **more},
        )


_ROW: Mapping[str, Any] = MappingProxyType({"tag": "Pages", "surface": "page", "media_type": HTML, "hidden": True})


def sign_in_page(where: str, *, again: bool = False) -> str:
    """The address of the sign-in that comes back to a path of ours."""
    told = {"return_to": where, **({"again": "1"} if again else {})}
    return f"/login?{urlencode(told)}"


def _sign_in(call: Call, *, again: bool) -> str:
    """The sign-in that comes back here; a form is not sent again, its page is."""
    query = call.scope["query_string"].decode("latin-1")
    return sign_in_page(call.scope["path"] + (f"?{query}" if query else ""), again=again)


def _here(call: Call) -> str:
    """The address of this page, as its forms send it: as it is, without the choice of a language."""
    pairs = _pairs(call)
    path: str = call.scope["path"]
    return path + (f"?{urlencode(pairs)}" if pairs else "")


def _languages(call: Call, texts: Texts) -> list[tuple[str, str, str, bool]]:
    """Each language: its code, its name, this page in it, whether it is spoken now."""
    pairs = _pairs(call)
    path: str = call.scope["path"]
    return [
        (code, name, f"{path}?{urlencode([*pairs, ('lang', code)])}", code == texts.language)
        for code, name in LANGUAGES.items()
    ]


def _pairs(call: Call) -> list[tuple[str, str]]:
    """What leads to this page again; of a mail's token that is in its form."""
    pairs = [(name, value) for name, value in parameters(call) if name != "lang"][:20]
    token = call.typed.get("token")
    return [*pairs, ("token", token)] if token and not parameter(call, "token") else pairs


def _nowhere(_: Scope) -> Origin:
    return Origin(ip=None, user_agent=None, request_id=None)


def edge(
    pages: Pages | None, is_page: Callable[[str], bool], words: Callable[[APIError, Scope], Rendered]
) -> Callable[[APIError, Scope], Rendered]:
    """The error edge of a server with pages: errors of their paths are pages, all others as `words` has them."""
    if pages is None:
        return words

    def render(error: APIError, scope: Scope) -> Rendered:
        if not is_page(scope["path"]):
            return words(error, scope)
        try:
            return pages.render(error, scope)
        except Exception:  # whatever a template met: whoever asked gets an answer, in words
            log.exception("pages.error_not_rendered")
            return words(Internal(), scope)

    return render
