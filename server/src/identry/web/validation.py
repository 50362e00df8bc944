"""Decoding a request: one fast typed pass; only when it fails, a second that collects every fault at once.

A field's type says its rules: `Annotated[str, Meta(max_length=200)]` for what msgspec checks, and
`Annotated[str, Meta(extra={"check": email})]` for what needs a function (normalise or raise ValueError). No text may
hold a NUL, but where `extra={"lenient": True}` says that whatever comes is read without a fault and never stored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import msgspec
from msgspec import UNSET, Meta

from identry.core import email_address
from identry.web.errors import Fault, InvalidRequest
from identry.web.fault_words import fault_of

_MOST_FIELDS = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{1,30}")
_WEB_URL = re.compile(r"https?://[^\s/?#@\\<>\"]+(?:[/?#][^\s\\<>\"]*)?", re.IGNORECASE)
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNSTORABLE = "contains characters that cannot be stored"


def email(value: str) -> str:
    """A valid address in the spelling that is stored (`core.email_address`)."""
    return email_address.normalised(value)


def login_email(value: str) -> str:
    """An address as typed at sign-in: trimmed and, when it is ASCII, lower-case; it need not be valid.

    Old accounts may have addresses that `email` would refuse; no account has one with control characters.
    """
    trimmed = value.strip()
    if _CONTROL.search(trimmed) or _LONE_SURROGATE.search(trimmed):
        raise ValueError("must not contain control characters")
    return trimmed.lower() if trimmed.isascii() else trimmed


def line(value: str) -> str:
    """One line of text: trimmed, not empty, without control characters."""
    text = value.strip()
    if not text:
        raise ValueError("must not be empty")
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def optional_line(value: str) -> str:
    """One line of text, trimmed, without control characters; it may be empty."""
    return line(value) if value.strip() else ""


def search_text(value: str) -> str:
    """A text to look for: trimmed, without control characters; empty looks for nothing in particular."""
    text = value.strip()
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def phone(value: str) -> str | None:
    """Digits with the usual separators, or None for an empty string."""
    text = value.strip()
    if text and not _PHONE.fullmatch(text):
        raise ValueError("is not a telephone number: digits, spaces and ()+-./ only")
    return text or None


def web_url(value: str) -> str | None:
    """An http or https address, or None for an empty string."""
    text = value.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        host = parts.port != 0 and parts.hostname
    except ValueError:  # brackets without an IPv6 address, a port that is no number
        host = None
    if not host or not text.isprintable() or not _WEB_URL.fullmatch(text):
        raise ValueError("must be an http:// or https:// address")
    return text


def secret(value: str) -> str:
    """A password or token exactly as received, only NUL and lone surrogates refused."""
    if "\x00" in value or not (value.isascii() or _LONE_SURROGATE.search(value) is None):
        raise ValueError(_UNSTORABLE)
    return value


Email = Annotated[str, Meta(max_length=254, extra={"check": email}, examples=["ada@example.com"])]
LoginEmail = Annotated[str, Meta(max_length=254, extra={"check": login_email}, examples=["ada@example.com"])]
FullName = Annotated[str, Meta(max_length=200, extra={"check": line}, examples=["Ada Lovelace"])]
Phone = Annotated[str, Meta(max_length=32, extra={"check": phone}, examples=["+65 6123 4567"])]
WebUrl = Annotated[str, Meta(max_length=2048, extra={"check": web_url}, examples=["https://example.com/ada.png"])]
LoginPassword = Annotated[str, Meta(max_length=1024, extra={"check": secret}, examples=["correct horse battery"])]
NewPassword = Annotated[str, Meta(max_length=1024, extra={"check": secret}, examples=["correct horse battery"])]
OpaqueToken = Annotated[str, Meta(min_length=1, max_length=1024, extra={"check": secret})]
SearchText = Annotated[str, Meta(max_length=200, extra={"check": search_text}, examples=["ada"])]
Role = Annotated[str, Meta(max_length=64, pattern=r"^[A-Z][A-Z0-9_]{0,63}$(?!\n)", examples=["MANAGER"])]

TotpCode = Annotated[str, Meta(pattern=r"^[ \-]*([0-9][ \-]*){6}$(?!\n)", max_length=64, examples=["123456"])]
MfaCode = Annotated[str, Meta(max_length=64, description="Of the app, or a recovery code.", examples=["123456"])]
ClientIdOf = Annotated[str, Meta(min_length=1, max_length=128, examples=["reports"])]
RecoveryCode = Annotated[str, Meta(min_length=1, max_length=64, examples=["7q2mk-9x4pa"])]


@cache
def _checks(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
    """(attribute, wire name, check) of every field that has one."""
    hints = get_type_hints(struct, include_extras=True)
    return tuple(
        (info.name, info.encode_name, check)
        for info in msgspec.structs.fields(struct)
        if (check := _find_extra(hints[info.name], "check"))
    )


@cache
def _lenient(struct: type[msgspec.Struct]) -> frozenset[str]:
    """The wire names of fields that are compared, never stored: what is in them is nobody's fault."""
    hints = get_type_hints(struct, include_extras=True)
    found = (info for info in msgspec.structs.fields(struct) if _find_extra(hints[info.name], "lenient"))
    return frozenset(info.encode_name for info in found)


def _find_extra(hint: Any, key: str) -> Any:
    if get_origin(hint) is Annotated:
        for meta in get_args(hint)[1:]:
            if isinstance(meta, Meta) and meta.extra and key in meta.extra:
                return meta.extra[key]
    return next((found for inner in get_args(hint) if (found := _find_extra(inner, key))), None)


@cache
def _decoder(struct: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def decode_body(struct: type[msgspec.Struct], raw: bytes) -> Any:
    """The body as `struct`.

    Raises:
        InvalidRequest: with every fault in `details.fields`.
    """
    try:
        value = _decoder(struct).decode(raw)
    except (msgspec.ValidationError, RecursionError):
        value = None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest.field("body", "json", f"is not valid JSON ({error})") from error
    if value is None:
        try:
            plain = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest.field("body", "json", "is nested too deeply or not valid JSON") from error
        raise InvalidRequest.of(_all_faults(struct, plain, strict=True))
    return _apply_checks(struct, value, has_nul=b"\\u0000" in raw)


def decode_query(struct: type[msgspec.Struct], raw: bytes) -> Any:
    """The query string as `struct`; a repeated parameter counts once (the first), unknown ones are ignored.

    A field that is a list takes every value of its parameter.

    Raises:
        InvalidRequest: with every fault in `details.fields`.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest.field("query", "format", "is not a valid query string") from error
    return _from_pairs(struct, pairs, has_nul=b"%00" in raw)


def _from_pairs(struct: type[msgspec.Struct], pairs: list[tuple[str, str]], *, has_nul: bool) -> Any:
    plain: dict[str, Any] = {name: text for name, text in reversed(pairs) if text != ""}
    for name in _form_fields(struct)[1]:
        if name in plain:
            plain[name] = [text for key, text in pairs if key == name and text != ""]
    try:
        value = msgspec.convert(plain, struct, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest.of(_all_faults(struct, plain, strict=False)) from error
    return _apply_checks(struct, value, has_nul=has_nul)


def _form_pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of a form, as `parse_qsl` reads them; most have nothing to be unquoted.

    Raises:
        ValueError: more fields than any form of ours has, or bytes that are not UTF-8.
    """
    if text.count("&") >= _MOST_FIELDS:
        raise ValueError("too many fields")
    pairs = []
    for part in text.split("&"):
        if part:
            if "%" in part or "+" in part:
                name, _, value = (unquote_plus(piece, errors="strict") for piece in part.partition("="))
            else:
                name, _, value = part.partition("=")
            pairs.append((name, value))
    return pairs


@cache
def _form_fields(struct: type[msgspec.Struct]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the fields that come once, and of those that are lists."""
    hints = get_type_hints(struct)
    listed = frozenset(
        info.encode_name for info in msgspec.structs.fields(struct) if get_origin(hints[info.name]) is list
    )
    return frozenset(info.encode_name for info in msgspec.structs.fields(struct)) - listed, listed


def decode_form(struct: type[msgspec.Struct], raw: bytes) -> Any:
    """A form as `struct`: unknown fields are ignored, a field without a value counts as absent (RFC 6749 §3.1, §3.2).

    A field that is a list may come more than once (RFC 8707 §2).

    Raises:
        InvalidRequest: with every fault in `details.fields`; another known field that comes twice is one.
    """
    try:
        pairs = _form_pairs(raw.decode("ascii"))
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest.field("body", "format", "is not a valid form") from error
    single, _ = _form_fields(struct)
    if len(pairs) > len(dict(pairs)):
        times = Counter(name for name, _ in pairs)
        if repeated := [Fault(name, "format", "must not be repeated") for name in sorted(single) if times[name] > 1]:
            raise InvalidRequest.of(repeated)
    return _from_pairs(struct, pairs, has_nul=b"%00" in raw or b"\0" in raw)


def _apply_checks(struct: type[msgspec.Struct], value: Any, *, has_nul: bool) -> Any:
    faults: list[Fault] = []
    for attribute, name, check in _checks(struct):
        current = getattr(value, attribute)
        if isinstance(current, str):
            try:
                checked = check(current)
            except ValueError as error:
                faults.append(Fault(name, "format", str(error)))
            else:
                if checked is not current:
                    msgspec.structs.force_setattr(value, attribute, checked)
    if has_nul:
        faults += [fault for fault in _nul_faults(value) if fault.field not in {told.field for told in faults}]
    if faults:
        raise InvalidRequest.of(faults)
    return value


def _nul_faults(value: msgspec.Struct) -> list[Fault]:
    """Every field with a NUL in it: PostgreSQL holds none, and one in a batch fails all that were asked together."""
    told: dict[str, Any] = msgspec.to_builtins(value)
    spared = _lenient(type(value))
    return [Fault(name, "format", _UNSTORABLE) for name in told if name not in spared and _has_nul(told[name])]


def _has_nul(plain: Any) -> bool:
    if isinstance(plain, str):
        return "\0" in plain
    if isinstance(plain, dict):
        return any(_has_nul(name) or _has_nul(inner) for name, inner in plain.items())
    return isinstance(plain, list) and any(map(_has_nul, plain))


def _all_faults(struct: type[msgspec.Struct], plain: Any, *, strict: bool) -> list[Fault]:
    """Every rule that `plain` breaks, field by field."""
    if not isinstance(plain, Mapping):
        return [Fault("body", "type", "must be a JSON object")]
    faults: list[Fault] = []
    hints = get_type_hints(struct, include_extras=True)
    for info in msgspec.structs.fields(struct):
        name = info.encode_name
        if name not in plain:
            if info.required:
                faults.append(Fault(name, "required", "is required"))
            continue
        try:
            value = msgspec.convert(plain[name], hints[info.name], strict=strict)
        except msgspec.ValidationError as error:
            faults.append(fault_of(name, str(error), hints[info.name]))
            continue
        check = _find_extra(hints[info.name], "check")
        if check and isinstance(value, str):
            try:
                check(value)
            except ValueError as error:
                faults.append(Fault(name, "format", str(error)))
    return faults or [Fault("body", "type", "does not have the expected shape")]


def absent(value: Any) -> bool:
    """Whether an optional field of a PATCH body was left out (null is a value there)."""
    return value is UNSET
