"""Cassettes: a model's replies in a TOML file that a person can write. The format is in docs/cassettes.md."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.models.base import ModelReply
from workspace import Usage, WorkspaceError


class BadCassette(WorkspaceError):
    """A cassette cannot be read; the message names the turn and the key."""

    code = "bad_cassette"


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply. ``calls`` are names with raw arguments; ``error`` is an HTTP status to fail with first."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    usage: Usage | None = None
    expect: tuple[str, ...] = ()
    error: int | None = None
    after: float | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Cassette:
    """A scripted model's part, turn by turn; ``pace`` is in characters per second, 0 at once."""

    path: Path
    turns: tuple[Turn, ...]
    title: str = ""
    pace: float = 0.0


@dataclass(slots=True)
class _Table:
    """A TOML table being read: what is asked of it must be there, and nothing else."""

    where: str
    values: dict[str, object]
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise BadCassette(f"{self.where} must be a table, not {json.dumps(self.values, default=str)[:60]}.")

    def take(self, key: str, *kinds: type, default: Any = None) -> Any:
        self.known.add(key)
        value = self.values.get(key, default)
        if key in self.values and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise BadCassette(f"{self.where}: `{key}` cannot be {json.dumps(value, default=str)[:60]}.")
        return value

    def end(self) -> None:
        strange = sorted(set(self.values) - self.known)
        if strange:
            raise BadCassette(f"{self.where} has no `{strange[0]}`; it knows {', '.join(sorted(self.known))}.")


def read(path: Path) -> Cassette:
    """Read a cassette. Raises BadCassette."""
    try:
        record = tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise BadCassette(f"There is no cassette {path}.") from None
    except (OSError, ValueError) as error:  # TOML and UTF-8 errors are ValueErrors
        raise BadCassette(f"{path} cannot be read as a cassette: {error}.") from None
    table = _Table(path.name, record)
    turns = table.take("turn", list, default=[])
    title, pace = table.take("title", str, default=""), float(table.take("pace", int, float, default=0.0))
    table.end()
    if not turns:
        raise BadCassette(f"{path} has no [[turn]]; docs/cassettes.md shows what one looks like.")
    return Cassette(
        path, tuple(_turn(f"{path.name}, turn {n}", turn) for n, turn in enumerate(turns, 1)), title, pace
    )


def _turn(where: str, record: dict[str, object]) -> Turn:
    table = _Table(where, record)
    expect = table.take("expect", str, list, default=[])
    usage = table.take("usage", dict)
    made = Turn(
        text=table.take("text", str, default=""),
        reasoning=table.take("reasoning", str, default=""),
        calls=tuple(_call(where, call) for call in table.take("call", list, default=[])),
        usage=None if usage is None else _usage(where, usage),
        expect=tuple(str(each) for each in ([expect] if isinstance(expect, str) else expect)),
        error=table.take("error", int),
        after=table.take("after", int, float),
        cut=table.take("cut", bool, default=False),
    )
    table.end()
    if not made.text and not made.calls:
        raise BadCassette(f"{where} says nothing and calls nothing.")
    return made


def _call(where: str, record: dict[str, object]) -> tuple[str, str]:
    table = _Table(f"{where}, call", record)
    name, arguments = table.take("name", str), table.take("arguments", dict, str, default={})
    table.end()
    if not name:
        raise BadCassette(f"{where}: a call needs a `name`.")
    if isinstance(arguments, str):
        return name, arguments
    try:
        return name, json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise BadCassette(f"{where}: the arguments of {name} hold a date or a number that JSON cannot say.") from None


def _usage(where: str, record: dict[str, object]) -> Usage:
    table = _Table(f"{where}, usage", record)
    made = Usage(**{key: table.take(key, int) for key in ("input", "output", "cached", "reasoning")})
    table.end()
    if any(value is not None and value < 0 for value in (made.input, made.output, made.cached, made.reasoning)):
        raise BadCassette(f"{where}: tokens cannot be negative.")
    return made


def record(path: Path, replies: Iterable[ModelReply], *, title: str = "") -> None:
    """Write replies as a cassette that plays them again, for a person to go on with."""
    lines = [f"title = {_string(title)}", ""] if title else []
    for reply in replies:
        lines.append("[[turn]]")
        if reply.text:
            lines.append(f"text = {_string(reply.text)}")
        for call in reply.calls:
            lines += ["", "[[turn.call]]", f"name = {_string(call.name)}", *_arguments(call.arguments)]
        use = reply.usage
        counted = {"input": use.input, "output": use.output, "cached": use.cached, "reasoning": use.reasoning}
        known = [f"{key} = {value}" for key, value in counted.items() if value is not None]
        if known:
            lines += ["", "[turn.usage]", *known]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def _arguments(raw: str) -> list[str]:
    try:
        value = json.loads(raw)
        if not isinstance(value, dict):
            raise ValueError
        return ["[turn.call.arguments]", *(f"{_key(key)} = {_value(item)}" for key, item in value.items())]
    except ValueError:  # malformed, or with something that TOML lacks
        return [f"arguments = {_string(raw)}"]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())}}}"
    raise ValueError(f"TOML has no {value!r}")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _string(text: str) -> str:
    plain = not re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", text)
    if plain and "\n" in text and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return _quoted(text)


def _quoted(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
