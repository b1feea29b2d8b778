"""Arguments of a call as lines that cannot mislead: all of them, exactly, controls in sight.

Text of an argument stands behind a rule (``│``; ``┊`` where a line goes on), so that it cannot
be taken for words of ours. Many empty lines become one line that counts them: nothing is
pushed out of sight. A text that replaces another is shown as a diff, the document's path first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import regex
from rich.cells import cell_len

from widgets.paint import Line, Span, cells, clip
from workspace.amounts import plural
from workspace.store.lines import Hunk, diff
from workspace.visible import visible

MOST_EMPTY = 3
"""So many empty lines in a row are drawn; of more, their number."""
MOST_CHANGED = 40
"""The same of those that come or go: what they consist of is what is asked about."""
NAME_WIDTH = 12
COMPARED = 5_000
"""Lines of a text up to which it is compared with the one that replaces it."""
LONG = 1 << 17
"""Characters of both up to which they are."""

_CLUSTER = regex.compile(r"\X")
_MANY_EMPTY = regex.compile(r"(?:[ \t]*+\n){500,}+")
_BLANKS = "\u2800\u00ad"
_TAB = "⇥   "


def argument_lines(arguments: Mapping[str, object], width: int) -> Iterator[Line]:
    """The lines of all arguments, made one after the other: a path first, what replaces what last."""
    if not arguments:
        yield [("no arguments", "dim")]
        return
    old, new = arguments.get("old"), arguments.get("new")
    compared = isinstance(old, str) and isinstance(new, str) and _is_short(old, new)
    plain = {name: value for name, value in arguments.items() if not compared or name not in ("old", "new")}
    names = min(NAME_WIDTH, max((cells([(name, "")]) for name in plain), default=0))
    for index, name in enumerate(sorted(plain, key=lambda name: name != "path")):
        if index:
            yield ()
        yield from _argument(name, plain[name], names, width)
    if isinstance(old, str) and isinstance(new, str) and compared:
        yield from [()] if plain else []
        yield from _change(old, new, width)


def _change(old: str, new: str, width: int) -> Iterator[Line]:
    """A text and the one that replaces it, all of both: lines that go, lines that come, lines that stay."""
    before, after = _lines(old), _lines(new)
    found = diff(before, after)
    gone = sum(hunk.old_end - hunk.old_start for hunk in found)
    come = sum(hunk.new_end - hunk.new_start for hunk in found)
    ends = {text.endswith("\n"): name for name, text in (("old", old), ("new", new))}
    end = f", only {ends[True]} ends with a line feed" if len(ends) == 2 else ", both end with a line feed"
    yield from _names("old → new", width, f"  −{gone:,} +{come:,} lines{end if True in ends else ''}")
    at = 0
    for hunk in [*found, Hunk(len(before), len(before), len(after), len(after))]:
        for lines, sign, style in (
            (before[at : hunk.old_start], " ", "text"),
            (before[hunk.old_start : hunk.old_end], "−", "removed"),
            (after[hunk.new_start : hunk.new_end], "+", "added"),
        ):
            if lines:
                most = MOST_EMPTY if sign == " " else MOST_CHANGED
                yield from _counted(text_lines("".join(lines), width, sign, style), [(sign, style)], most)
        at = hunk.old_end


def _is_short(old: str, new: str) -> bool:
    """Whether two texts can be compared while a person waits."""
    return len(old) + len(new) <= LONG and max(old.count("\n"), new.count("\n")) <= COMPARED


def _lines(text: str) -> list[str]:
    """The lines of a text, each with its line feed."""
    *whole, last = text.split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def _argument(name: str, value: object, names: int, width: int) -> Iterator[Line]:
    label = [(name, "title"), (" " * (names - cells([(name, "")])), "")]
    if isinstance(value, str):
        room = width - names - 4
        short = 0 < len(value) <= room and "\n" not in value  # counting the cells of megabytes would take long
        if short and cells([(name, "")]) <= names and cells([(value, "")]) <= room:
            yield [*label, ("  ", ""), ("│ ", "rule"), *_marked(value, "text")]
            return
        count = value.count("\n") + (0 if value.endswith("\n") else 1)
        size = f"{plural(count, 'line')}, {plural(len(value), 'character')}"
        yield from _names(name, width, f"  {size}" if value else "  empty text")
        if value:
            yield from _counted(text_lines(value, width))
        return
    written = json.dumps(value, indent=2, ensure_ascii=False, default=str).split("\n")
    if len(written) == 1 and cells([(name, "")]) <= names and len(written[0]) <= width - names - 4:
        yield [*label, ("    ", ""), *_marked(written[0], "number")]
        return
    yield from _names(name, width, "")
    for line in written:
        indent = len(line) - len(line.lstrip(" "))
        for part in _pieces(line[indent:], max(8, width - 2 - indent)):
            yield [(" " * (2 + indent), ""), *_marked(part, "text")]


def _names(name: str, width: int, note: str) -> Iterator[Line]:
    *whole, last = _pieces(name, width)
    for part in whole:
        yield [(part, "title")]
    yield [(last, "title"), (clip(note, max(0, width - cell_len(visible(last)))), "dim")]


def text_lines(text: str, width: int, sign: str = "", style: str = "text") -> Iterator[tuple[int, Line]]:
    """Each line that a text takes, and how many empty ones it stands for; 0 where it is not empty.

    Each has ``sign`` in front.
    """
    start = 0
    last = len(text) - (1 if text.endswith("\n") else 0)
    while start <= last:
        if found := _MANY_EMPTY.match(text, start, last):  # one after the other, a million would take a second
            yield found[0].count("\n"), ()
            start = found.end()
            continue
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        rule = "│ "
        for part in _pieces(text[start:end], max(4, width - 2 - len(sign))):
            front: list[Span] = [(sign, style)] if sign else []
            yield int(not part.strip().strip(_BLANKS)), [*front, (rule, "rule"), *_marked(part, style)]
            rule = "┊ "
        start = end + 1


def _counted(lines: Iterable[tuple[int, Line]], front: Sequence[Span] = (), most: int = MOST_EMPTY) -> Iterator[Line]:
    """Lines, with a run of more than ``most`` empty ones told by its number, ``front`` before it."""
    for empty, run in groupby(lines, key=lambda pair: pair[0] > 0):
        if not empty:
            yield from (line for _, line in run)
            continue
        kept: list[Line] = []
        count = 0
        for number, line in run:
            count += number
            if count <= most:
                kept.append(line)
        if count <= most:
            yield from kept
        else:
            yield [*front, ("⋮ ", "warn"), (f"{count:,} empty lines, not drawn", "warn")]


def _pieces(line: str, width: int) -> Iterator[str]:
    """A line cut after ``width`` cells, as often as it takes; an empty one is one empty piece."""
    if not line:
        yield ""
    elif line.isascii() and line.isprintable():
        for start in range(0, len(line), width):
            yield line[start : start + width]
    else:
        start = used = 0
        for found in _CLUSTER.finditer(line):
            size = cell_len(visible(found[0], tab=_TAB))
            if used + size > width and found.start() > start:
                yield line[start : found.start()]
                start, used = found.start(), 0
            used += size
        yield line[start:]


def _marked(text: str, style: str) -> list[Span]:
    """A text with what a terminal would obey, or nobody would see, drawn and set apart."""
    if text.isascii() and text.isprintable():
        return [(text, style)]
    out: list[Span] = []
    for kind, run in groupby(text, key=_kind):
        piece = "".join(run)
        out.append((visible(piece, tab=_TAB), {"safe": style, "tab": "faint", "unsafe": "warn"}[kind]))
    return out


def _kind(character: str) -> str:
    if character == "\t":
        return "tab"
    return "safe" if visible(character) == character else "unsafe"
