"""Checking arguments against a declared JSON Schema: a strict subset, compiled once, wrong in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any

Schema = Mapping[str, Any]
Check = Callable[[object, str], None]
"""Looks at a value, which a sentence calls by the name given; raises Mismatch."""

DEPTH = 32
"""How deep values may be nested where a schema leaves them open."""
SHOWN = 60
"""Characters of a name that a sentence repeats."""

_KEYWORDS = {
    "type", "description", "enum", "items", "properties", "required", "additionalProperties",
    "minimum", "exclusiveMinimum", "maxItems",
}  # fmt: skip
_NAMES = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "an object", "null": "null",
}  # fmt: skip

_KINDS: Mapping[type, str] = {
    str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array",
    tuple: "array", NoneType: "null",
}  # fmt: skip


class Mismatch(ValueError):
    """A value does not fit its schema; the message is a clause without a full stop."""


def compiled(schema: Schema) -> Check:
    """A check of values against ``schema``. Raises ValueError for a keyword that is not checked here.

    Known are ``type`` (one or several), ``enum``, ``minimum``, ``exclusiveMinimum``, ``items``,
    ``maxItems``, ``properties``, ``required`` and ``additionalProperties`` (true or false).
    Text has to be text: half a character (a lone surrogate) fits nowhere, nor does a number
    that is not finite.
    """
    if unknown := set(schema) - _KEYWORDS:
        raise ValueError(f"no check for {', '.join(sorted(unknown))}")
    checks = [_typed(schema)]
    if "enum" in schema:
        checks.append(_one_of(tuple(schema["enum"])))
    if "minimum" in schema or "exclusiveMinimum" in schema:
        checks.append(_at_least(schema.get("minimum"), schema.get("exclusiveMinimum")))
    if "items" in schema or "maxItems" in schema:
        checks.append(_list_of(compiled(schema.get("items", {})), schema.get("maxItems")))
    if "properties" in schema:
        checks.append(_record(schema))
    if len(checks) == 1:
        return checks[0]

    def check(value: object, name: str) -> None:
        for one in checks:
            one(value, name)

    return check


def _typed(schema: Schema) -> Check:
    given = schema.get("type")
    kinds: tuple[str, ...] = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    if unknown := set(kinds) - set(_NAMES):
        raise ValueError(f"no check for the type {', '.join(sorted(unknown))}")
    wanted = " or ".join(_NAMES[kind] for kind in kinds)
    described = "properties" in schema or "items" in schema

    def check(value: object, name: str) -> None:
        kind = _kind(value)
        if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
            raise Mismatch(f"{name} has to be {wanted}")
        if isinstance(value, str):
            _check_text(value, name)
        elif isinstance(value, float) and not math.isfinite(value):
            raise Mismatch(f"{name} has to be a finite number")
        elif kind in ("array", "object") and not described:
            _check_open(value, name, DEPTH)

    return check


def _one_of(values: Sequence[object]) -> Check:
    listed = ", ".join(str(value) for value in values)

    def check(value: object, name: str) -> None:
        if not any(value == known and _kind(value) == _kind(known) for known in values):
            raise Mismatch(f"{name} has to be one of {listed}")

    return check


def _at_least(least: float | None, above: float | None) -> Check:
    def check(value: object, name: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return
        if least is not None and value < least:
            raise Mismatch(f"{name} has to be {least} or more")
        if above is not None and value <= above:
            raise Mismatch(f"{name} has to be more than {above}")

    return check


def _list_of(item: Check, most: int | None) -> Check:
    def check(value: object, name: str) -> None:
        if not isinstance(value, list | tuple):
            return
        if most is not None and len(value) > most:
            raise Mismatch(f"{name} has more than {most:,} items")
        for number, one in enumerate(value, 1):
            item(one, f"item {number} of {name}")

    return check


def _record(schema: Schema) -> Check:
    known = {name: compiled(part) for name, part in schema["properties"].items()}
    required = tuple(schema.get("required", ()))
    is_open = schema.get("additionalProperties", True)
    if not isinstance(is_open, bool):
        raise ValueError("no check for a schema of additional properties")

    def check(value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            return
        of = f" of {name}" if name else ""
        if missing := [part for part in required if part not in value]:
            raise Mismatch(f"{', '.join(missing)}{of} {'are' if len(missing) > 1 else 'is'} missing")
        for part, inner in value.items():
            if (one := known.get(part)) is not None:
                one(inner, f"{part}{of}")
            elif not is_open:
                raise Mismatch(f"there is no {_named(part)}{of}; it takes {', '.join(known) or 'nothing'}")
            else:
                _check_open({part: inner}, name, DEPTH)

    return check


def _kind(value: object) -> str:
    """The JSON type of a value."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    for kind, name in ((str, "string"), (Mapping, "object"), (int, "integer"), (float, "number")):
        if isinstance(value, kind):
            return name
    return type(value).__name__


def _check_open(value: object, name: str, depth: int) -> None:
    """See that an open value is one of JSON, its texts are texts, and that it ends somewhere."""
    if depth == 0:
        raise Mismatch(f"{name or 'this'} is nested more than {DEPTH} deep")
    if isinstance(value, str):
        _check_text(value, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Mismatch(f"{name or 'this'} holds a number that is not finite")
    elif isinstance(value, Mapping):
        for part, inner in value.items():
            if not isinstance(part, str):
                raise Mismatch(f"{name or 'this'} has a name that is no text")
            _check_text(part, name)
            _check_open(inner, name, depth - 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_open(inner, name, depth - 1)
    elif _kind(value) not in _NAMES:
        raise Mismatch(f"{name or 'this'} holds something that is no JSON")


def _check_text(value: str, name: str) -> None:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Mismatch(f"{name or 'a name'} holds half a character (a lone surrogate)") from None


def _named(part: object) -> str:
    """A name as a sentence repeats it: short, and text whatever it holds."""
    text = str(part).encode("utf-8", "replace").decode()
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
