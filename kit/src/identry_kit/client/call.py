"""One call, described once: what is sent, in whose name, and how the answer is read.

A description does no I/O and knows no transport, so the async client and its blocking twin run the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote_plus

from identry_kit.client.errors import ClientError, UnexpectedStatus
from identry_kit.client.fields import Fields, error_text

T = TypeVar("T")

APP = "{app}"
"""Stands in a path for the application's number. Encoded segments hold no braces, so it is always meant."""

MAX_SHOWN_BODY = 2048
_BLACKED_OUT = b"[redacted]"
_SHORTEST_SECRET = 8


class As(Enum):
    """In whose name a call is made."""

    NOBODY = "nobody"
    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `retry_after` is in seconds, None when not named or not readable."""

    op: str
    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after: float | None = None

    def fields(self) -> Fields:
        """The body as a JSON object; raises InvalidAnswer."""
        return Fields.of(self.op, self.body)

    def error(self) -> str | None:
        """The text of the server's JSON error, None when the body is not one."""
        return error_text(self.body)

    def unexpected(self) -> UnexpectedStatus:
        """The error for a status that means nothing to the call."""
        body = self.body[:MAX_SHOWN_BODY].decode("utf-8", "replace") if self.status >= 400 else ""
        error = (self.error() or "") if self.status >= 400 else ""
        return UnexpectedStatus(self.op, self.status, body, error, self.retry_after)

    def without(self, secrets: Collection[str]) -> Answer:
        """The same answer; in an error's body, what was sent as a secret is blacked out."""
        if self.status < 400:
            return self
        body = self.body
        for secret in secrets:
            if len(secret) < _SHORTEST_SECRET:
                continue
            # As it is, as a form has it, and as JSON has it: whichever way a server sends back what it was sent.
            for sent in (secret, quote_plus(secret, errors="replace"), json.dumps(secret)[1:-1]):
                body = body.replace(sent.encode("utf-8", "replace"), _BLACKED_OUT)
        return Answer(self.op, self.status, body, self.retry_after)


Read: TypeAlias = Callable[[Answer], T]
Refuse: TypeAlias = Callable[[Answer], ClientError | None]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What is sent (`method`, `path`, and one of `json` and `form`), and `read`, which makes the result of an answer.

    `admin` chooses the admin address. `attributed` calls tell the server the browser behind them. `secrets` are values
    that no error may repeat. `path` may hold `APP`.
    """

    op: str
    method: str
    path: str
    read: Read[T] = field(repr=False)
    who: As = As.NOBODY
    admin: bool = False
    query: Mapping[str, str | int] | None = field(default=None, repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    attributed: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


def by_status(named: Mapping[int, Callable[[Answer], ClientError | None]]) -> Refuse:
    """The named error of an answer's status; None when the status, or this answer of it, has none."""

    def refuse(answer: Answer) -> ClientError | None:
        name = named.get(answer.status)
        return None if name is None else name(answer)

    return refuse


def result(read: Callable[[Fields], T], ok: Collection[int] = (200,), refuse: Refuse | None = None) -> Read[T]:
    """Read a record from an answer with one of the statuses `ok`; `refuse` names what other answers mean."""

    def reading(answer: Answer) -> T:
        if answer.status in ok:
            return read(answer.fields())
        raise _refusal(answer, refuse)

    return reading


def found(read: Callable[[Fields], T], is_missing: Callable[[Answer], bool]) -> Read[T | None]:
    """Read a record from a 200, None from an answer that says there is none."""

    def reading(answer: Answer) -> T | None:
        if answer.status == 200:
            return read(answer.fields())
        if is_missing(answer):
            return None
        raise answer.unexpected()

    return reading


def done(ok: Collection[int] = (200, 204)) -> Read[None]:
    """Nothing to read: the status says it all."""

    def reading(answer: Answer) -> None:
        if answer.status not in ok:
            raise answer.unexpected()

    return reading


def _refusal(answer: Answer, refuse: Refuse | None) -> ClientError:
    error = None if refuse is None else refuse(answer)
    return answer.unexpected() if error is None else error
