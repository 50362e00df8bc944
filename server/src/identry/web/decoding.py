"""Decoding a request: one fast typed pass; only when it fails, a second that collects every fault at once.

What a field may hold is said by its type (`web/validation.py`). No text may hold a NUL, but where
`extra={"lenient": True}` says that whatever comes is read without a fault and never stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Meta

from identry.web.errors import Fault, InvalidRequest
from identry.web.fault_words import fault_of
from identry.web.unique_names import least_quotes, require_unique
from identry.web.validation import UNSTORABLE

_MOST_FIELDS = 100


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
def _reader(struct: type[msgspec.Struct]) -> tuple[Callable[[bytes], Any], int]:
    """What decodes it, and how many quotes there are in a body that holds what is required and nothing else."""
    return msgspec.json.Decoder(struct).decode, least_quotes(struct)


def decode_body(struct: type[msgspec.Struct], raw: bytes) -> Any:
    """The body as `struct`; a name that `struct` knows stands in it once (RFC 8259 §4).

    Raises:
        InvalidRequest: with every fault in `details.fields`.
    """
    decode, quotes = _reader(struct)
    try:
        value = decode(raw)
    except (msgspec.ValidationError, RecursionError):
        value = None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest.field("body", "json", f"is not valid JSON ({error})") from error
    if value is None or raw.count(b'"') != quotes:
        require_unique(struct, raw)
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
    return [Fault(name, "format", UNSTORABLE) for name in told if name not in spared and _has_nul(told[name])]


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
