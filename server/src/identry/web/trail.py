"""Where somebody on a page came from and goes on to: carried in the address of each page of a sign-in, in no cookie.

So each tab has its own, and the back button does what it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from identry.core.return_to import HOME, safe_return_to
from identry.web.call import Call

_HANDLE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MAX_QUERY = 8192
_READ = "identry.parameters"


@dataclass(frozen=True, slots=True)
class Trail:
    """What a page's address says of the way.

    Attributes:
        request: handle of an authorization request that waits for this person; empty: none.
        return_to: a path of this server to go on at; empty: the person's account.
        email: an address to begin with, told by who sent the person here.
    """

    request: str = ""
    return_to: str = ""
    email: str = ""

    @classmethod
    def of(cls, call: Call) -> Trail:
        """That of a request; what is no handle and no path of our own is left out."""
        request, path = parameter(call, "request"), safe_return_to(parameter(call, "return_to"))
        return cls(
            request if _HANDLE.fullmatch(request) else "",
            "" if path == HOME else path,
            parameter(call, "email")[:254],
        )

    def to(self, path: str, **more: str) -> str:
        """The address of another page on the same way."""
        told = {"request": self.request, "return_to": self.return_to, **more}
        query = urlencode({name: value for name, value in told.items() if value})
        return f"{path}?{query}" if query else path

    @property
    def onward(self) -> str:
        """Where somebody goes on who is signed in now."""
        if self.request:
            return self.to("/oauth/authorize/continue")
        return self.return_to or "/account"


def parameter(call: Call, name: str) -> str:
    """A parameter of the address; empty when it is absent, there twice, or the query is none."""
    values = [value for key, value in parameters(call) if key == name]
    return values[0] if len(values) == 1 else ""


def parameters(call: Call) -> list[tuple[str, str]]:
    """Every parameter of the address, read once for each request; none when it is no query."""
    found: list[tuple[str, str]] | None = call.scope.get(_READ)
    if found is None:
        raw = call.scope["query_string"][:_MAX_QUERY]
        try:
            found = parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=100)
        except (UnicodeDecodeError, ValueError):
            found = []
        call.scope[_READ] = found
    return found
