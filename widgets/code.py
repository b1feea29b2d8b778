"""Source code as spans of our styles: pygments, loaded when first needed, never asked twice for the same lines."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from widgets.paint import Line, Span

if TYPE_CHECKING:
    from pygments.lexer import Lexer  # type: ignore[import-untyped]

LONG_LINE = 2_000
"""Characters from which a line is left plain: nobody reads it as code."""
LARGEST = 200_000
"""Characters that are looked at in one call; the lines beyond are left plain."""
_KEPT = 2_000_000
"""Characters whose highlighting is remembered."""
_TIES = {
    ".h": "c", ".m": "objective-c", ".pl": "perl", ".r": "splus", ".ts": "typescript", ".v": "verilog",
    ".sql": "sql", ".html": "html", ".htm": "html", ".xml": "xml", ".inc": "php", ".cls": "tex", ".s": "gas",
    ".php": "php", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".md": "markdown", ".cs": "csharp",
}  # fmt: skip
"""Which language an ending means that several claim."""
_INTERPRETERS = {
    "node": "javascript",
    "deno": "typescript",
    "env": "",
    "pwsh": "powershell",
    "dash": "sh",
    "ash": "sh",
}
_STYLES = {
    "Comment": "comment", "Comment.Preproc": "keyword", "Comment.PreprocFile": "string",
    "Keyword": "keyword", "Keyword.Type": "class", "Keyword.Constant": "number",
    "Literal": "string", "Literal.String": "string", "Literal.Number": "number", "Literal.Date": "number",
    "Name.Function": "function", "Name.Class": "class", "Name.Exception": "class", "Name.Decorator": "function",
    "Name.Builtin": "function", "Name.Builtin.Pseudo": "keyword", "Name.Tag": "keyword", "Name.Attribute": "function",
    "Name.Constant": "number", "Name.Entity": "number", "Name.Label": "function",
    "Operator": "operator", "Operator.Word": "keyword", "Punctuation": "operator",
    "Generic.Heading": "strong", "Generic.Subheading": "strong", "Generic.Strong": "strong", "Generic.Emph": "quote",
    "Generic.Deleted": "removed", "Generic.Inserted": "added", "Generic.Prompt": "dim",
}  # fmt: skip


def lexer_for(path: str, head: str = "") -> str | None:
    """The language of a document by its name, or by the interpreter that its first line names.

    The answer is what ``highlight`` takes, a pygments alias; None for plain text and for
    what nobody knows. ``head`` is the document's beginning. Never raises.
    """
    name = path.rsplit("/", 1)[-1].lower()
    known = _by_name(name)
    return known if known is not None or not head.startswith("#!") else _by_shebang(head.split("\n", 1)[0][:200])


def lexer_named(language: str) -> str | None:
    """The language that a person or a model called so, as in the first line of a code block. Never raises."""
    word = re.split(r"[\s,{:]", language.strip(), maxsplit=1)[0].lower()
    if not word or len(word) > 40:
        return None
    return _by_name(f"x.{word}") or _aliased(word)


def highlight(lines: Sequence[str], language: str) -> list[list[Span]]:
    """Each of some lines as spans, none for an empty one; their texts put together are the line without its end.

    ``language`` is a pygments alias. The first line is taken to stand in no string or
    comment. What is too long, or what no lexer reads, is one span without a style.
    Never raises.
    """
    key = (language, tuple(lines))
    if (known := _remembered.get(key)) is None:
        known = _highlighted(key[1], language)
        _remembered.put(key, known, sum(map(len, key[1])))
    return [list(row) for row in known]


# -- inside


class _Remembered:
    """What was highlighted last, up to a number of characters; several threads may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._rows: OrderedDict[tuple[str, tuple[str, ...]], tuple[Sequence[Line], int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, tuple[str, ...]]) -> Sequence[Line] | None:
        with self._lock:
            found = self._rows.get(key)
            if found is None:
                return None
            self._rows.move_to_end(key)
            return found[0]

    def put(self, key: tuple[str, tuple[str, ...]], rows: Sequence[Line], size: int) -> None:
        if size > self._most // 4:
            return
        with self._lock:
            old = self._rows.pop(key, None)
            self._held += size - (old[1] if old else 0)
            self._rows[key] = (rows, size)
            while self._held > self._most or len(self._rows) > 2_000:
                _, (_, gone) = self._rows.popitem(last=False)
                self._held -= gone


_remembered = _Remembered(_KEPT)


def _highlighted(lines: Sequence[str], language: str) -> list[list[Span]]:
    plain = [line.rstrip("\n") for line in lines]
    lexer = _lexer(language)
    if lexer is None:
        return [_plain(line) for line in plain]
    room = LARGEST
    read: list[str] = []  # what the lexer is given: as many lines, without those that would take it too long
    for line in plain:
        room -= len(line) + 1 if len(line) <= LONG_LINE else 1
        if room < 0:
            break
        read.append("" if len(line) > LONG_LINE else line.replace("\n", " "))
    rows = _lexed(lexer, read)
    if rows is None:
        return [_plain(line) for line in plain]
    spans = [row if len(line) <= LONG_LINE else _plain(line) for row, line in zip(rows, plain, strict=False)]
    return spans + [_plain(line) for line in plain[len(spans) :]]


def _lexed(lexer: Lexer, lines: Sequence[str]) -> list[list[Span]] | None:
    """The lines as spans; None where the lexer fails or does not give back the text it was given."""
    text = "\n".join(lines) + "\n"
    rows: list[list[Span]] = [[]]
    size = 0
    try:
        for _, kind, value in lexer.get_tokens_unprocessed(text):
            if not text.startswith(value, size):
                return None
            size += len(value)
            style = _style(kind)
            first, *others = value.split("\n")
            _add(rows[-1], first, style)
            for part in others:
                rows.append([])
                _add(rows[-1], part, style)
    except Exception:  # noqa: BLE001 - hundreds of lexers, none of ours: colours are not worth a crash
        return None
    return rows[: len(lines)] if size == len(text) else None


def _add(row: list[Span], text: str, style: str) -> None:
    if not text:
        return
    if row and (row[-1][1] == style or not text.strip()):
        row[-1] = (row[-1][0] + text, row[-1][1])
    else:
        row.append((text, style))


def _plain(line: str) -> list[Span]:
    return [(line, "")] if line else []


@lru_cache(maxsize=512)
def _style(kind: Iterable[str]) -> str:
    """The style of a pygments token: of the nearest of its ancestors that has one."""
    parts = tuple(kind)
    while parts:
        if (style := _STYLES.get(".".join(parts))) is not None:
            return style
        parts = parts[:-1]
    return ""


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except (ClassNotFound, ImportError):
        return None


@lru_cache(maxsize=1)
def _names() -> tuple[dict[str, list[str]], frozenset[str]]:
    """Languages by file name and ending, in small letters, and every alias; no lexer is loaded for it."""
    from pygments.lexers import get_all_lexers

    by_name: dict[str, list[str]] = {}
    known: set[str] = set()
    for _, aliases, patterns, _ in get_all_lexers(plugins=False):
        if not aliases:
            continue
        known.update(alias.lower() for alias in aliases)
        for pattern in patterns:
            name = pattern.lower().removeprefix("*")
            if not any(mark in name for mark in "*?["):
                by_name.setdefault(name, []).append(aliases[0])
    return by_name, frozenset(known)


@lru_cache(maxsize=1024)
def _by_name(name: str) -> str | None:
    by_name, _ = _names()
    endings = [name, *(name[at:] for at, character in enumerate(name) if character == ".")]
    for ending in endings[:8]:
        if ending in _TIES:
            return _TIES[ending]
        if found := by_name.get(ending):
            best = found[0] if len(found) == 1 else max(found, key=_priority)
            return None if best == "text" else best
    return None


def _priority(alias: str) -> float:
    lexer = _lexer(alias)
    return float(lexer.priority) if lexer is not None else -1.0


def _by_shebang(line: str) -> str | None:
    words = [word.rsplit("/", 1)[-1] for word in line[2:].split() if not word.startswith("-")]
    if words[:1] == ["env"]:
        words = words[1:]
    for word in words[:1]:
        for candidate in (word.lower(), re.sub(r"[\d.]+$", "", word.lower())):
            if (found := _INTERPRETERS.get(candidate) or _aliased(candidate)) is not None:
                return found
    return None


def _aliased(word: str) -> str | None:
    return word if word != "text" and word in _names()[1] else None
