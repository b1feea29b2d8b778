"""The blocks of a Markdown text: read by markdown-it, laid out in rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from widgets.code import highlight, lexer_named
from widgets.paint import Line, Span
from widgets.rows import FlowRow, flow, shown
from widgets.table import Table
from workspace.visible import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

INLINE = 10_000
"""Characters of one paragraph beyond which it is shown as it is written."""
DEEPEST = 20
"""Quotes and lists within each other; what is deeper is shown as it is written."""
_CHUNK, _BEFORE = 32, 64
"""Code lines that are coloured at a time, and how many above them are read for it."""


class Code:
    """A block of code that may grow; its colours are found where it is looked at."""

    def __init__(self, language: str, lines: Sequence[str] = ()) -> None:
        self.said = language
        self.lines = [visible(line, tab="    ") for line in lines]
        self.open = ""
        """The last line while it has no end."""
        self._coloured: dict[int, list[Span]] = {}
        self._key: tuple[tuple[Span, ...], tuple[Span, ...], int, int] = ((), (), -1, 0)
        self._rows: list[FlowRow] = []
        self._done = 0  # lines whose rows are made
        self._next = 0  # the character at which the next line begins
        self._language: str | None = None
        self._asked = False

    def add(self, line: str) -> None:
        """Add a whole line."""
        self.lines.append(visible(line, tab="    "))

    def text(self, index: int) -> str:
        """A line's text."""
        return self.lines[index] if index < len(self.lines) else self.open

    def spans(self, index: int) -> list[Span]:
        """A line in colours; one without an end is plain."""
        if index >= len(self.lines):
            return [(self.open, "")]
        if not self._asked:
            self._asked, self._language = True, lexer_named(self.said)
        if self._language is None:
            return [(self.lines[index], "")]
        if index not in self._coloured:
            end = min(len(self.lines), index - index % _CHUNK + _CHUNK)
            first = max(0, index - _BEFORE)
            found = highlight(self.lines[first:end], self._language)
            self._coloured.update(enumerate(found[index - first :], index))
        return self._coloured[index]

    def rows(self, first: tuple[Span, ...], rest: tuple[Span, ...], width: int, base: int) -> list[FlowRow]:
        """Its rows, ``base`` being its first character; those of whole lines are made once for a width and place."""
        key = (first, rest, width, base)
        if self._key != key:
            self._key, self._rows, self._done, self._next = key, [], 0, base
        while self._done < len(self.lines):
            self._rows += self._line(self._done, self._next)
            self._next += len(self.lines[self._done]) + 1
            self._done += 1
        return [*self._rows, *self._line(self._done, self._next)] if self.open else list(self._rows)

    def _line(self, index: int, base: int) -> list[FlowRow]:
        first, rest, width, _ = self._key
        room = max(1, width - sum(len(text) for text, _ in rest) - 2)
        out: list[FlowRow] = []
        for spans, start, end in flow([(self.text(index), "code")], room, hard=True):
            lead = (*(rest if out or index else first), (" ", "code"))
            colours = self._slice(index, start, end) if index < len(self.lines) else None
            out.append(FlowRow(lead, spans, base + start, end - start, fill="code", colours=colours))
        return out

    def _slice(self, index: int, start: int, end: int) -> Callable[[], Line]:
        def colours() -> Line:
            out: list[Span] = []
            at = 0
            for text, names in self.spans(index):
                if part := text[max(0, start - at) : max(0, end - at)]:
                    out.append((part, f"code {names}".rstrip()))
                at += len(text)
            return out

        return colours


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A line of text: a paragraph, a heading, an item's first words."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An empty row."""


@dataclass(frozen=True, slots=True)
class Element:
    """Something with a place: ``first`` stands before its first row, ``rest`` before the others."""

    first: tuple[Span, ...]
    rest: tuple[Span, ...]
    what: TextBlock | Rule | Gap | Table | Code

    def text(self) -> str:
        """What it says, without its place."""
        if isinstance(self.what, TextBlock):
            return "".join(text for text, _ in self.what.spans)
        if isinstance(self.what, Code):
            return "\n".join([*self.what.lines, *([self.what.open] if self.what.open else [])])
        return self.what.text() if isinstance(self.what, Table) else ""

    def rows(self, width: int, base: int) -> list[FlowRow]:
        """Its rows in ``width`` cells; ``base`` is its first character."""
        what, indent = self.what, sum(len(text) for text, _ in self.rest)
        if isinstance(what, TextBlock):
            return [
                FlowRow(self.rest if number else self.first, spans, base + start, end - start)
                for number, (spans, start, end) in enumerate(flow(what.spans, width - indent))
            ]
        if isinstance(what, Code):
            return what.rows(self.first, self.rest, width, base)
        if isinstance(what, Table):
            return what.rows(self.first, self.rest, width - indent, base)
        if isinstance(what, Rule):
            return [FlowRow((*self.first, ("─" * max(1, min(width - indent, 24)), "rule")), (), base)]
        return [FlowRow(self.rest, (), base)]


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level block or list item: where it starts in the text, and what it is."""

    start: int
    elements: tuple[Element, ...]
    airy: bool
    """Whether it stands apart from what is around it, whatever the source says."""


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST})
    return parser.enable(["table", "strikethrough"]).disable(["reference", "html_block", "html_inline", "entity"])


def read_blocks(text: str, base: int) -> list[Block]:
    """The top-level blocks of a text, list items one by one; ``base`` is added to where they start."""
    if not text.strip():
        return []
    tokens = _parser().parse(text)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    pieces: list[Block] = []
    at = 0
    while at < len(tokens):
        opening = tokens[at]
        end = at + 1
        if opening.nesting == 1:
            while tokens[end].level > opening.level or tokens[end].nesting != -1:
                end += 1
            end += 1
        if opening.type in ("bullet_list_open", "ordered_list_open"):
            item = at + 1
            while item < end - 1:
                close = item + 1
                while tokens[close].level > tokens[item].level or tokens[close].nesting != -1:
                    close += 1
                pieces.append(
                    _piece(tokens[item : close + 1], text, base, starts, ordered=opening.type.startswith("o"))
                )
                item = close + 1
        else:
            pieces.append(_piece(tokens[at:end], text, base, starts))
        at = end
    return pieces


def _written(text: str, token: Token, starts: Sequence[int]) -> Iterator[Element]:
    """The lines of a block as they are written."""
    first, last = token.map or (0, 0)
    for line in text[starts[first] : starts[last]].rstrip("\n").split("\n"):
        yield Element((), (), TextBlock(tuple(shown([(line, "")]))))


def _piece(tokens: Sequence[Token], text: str, base: int, starts: Sequence[int], *, ordered: bool = False) -> Block:
    line = tokens[0].map[0] if tokens[0].map else 0
    builder = _Builder(ordered)
    if any(token.level >= DEEPEST - 1 for token in tokens):
        return Block(base + starts[line], tuple(_written(text, tokens[0], starts)), airy=True)
    builder.read(tokens)
    airy = tokens[0].type in ("heading_open", "fence", "code_block", "table_open", "hr")
    return Block(base + starts[line], tuple(builder.elements), airy)


class _Builder:
    """Turns the tokens of one piece into elements."""

    def __init__(self, ordered: bool) -> None:
        self.elements: list[Element] = []
        self._ordered = [ordered]
        self._stack: list[tuple[tuple[Span, ...], tuple[Span, ...]]] = []
        self._fresh: list[bool] = []
        self._style = ""
        self._end: int | None = None

    def read(self, tokens: Sequence[Token]) -> None:
        at = 0
        while at < len(tokens):
            token = tokens[at]
            kind = token.type
            if kind in ("bullet_list_open", "ordered_list_open"):
                self._ordered.append(kind.startswith("o"))
            elif kind in ("bullet_list_close", "ordered_list_close"):
                self._ordered.pop()
            elif kind == "list_item_open":
                sign = f"{token.info}{token.markup} " if self._ordered[-1] else ("• " if not self._depth() else "· ")
                self._enter(((sign, "accent"),), ((" " * len(sign), ""),))
            elif kind == "list_item_close":
                if self._fresh[-1]:
                    self._emit(TextBlock(()), token)
                self._leave()
            elif kind == "blockquote_open":
                self._enter((("│ ", "rule"),), (("│ ", "rule"),))
                self._style = "quote"
            elif kind == "blockquote_close":
                self._leave()
                self._style = "quote" if any("│" in lead[0][0][0] for lead in self._stack) else ""
            elif kind == "heading_open":
                style, self._style = self._style, "heading" if token.tag in ("h1", "h2") else "strong"
                self._inline(tokens[at + 1], token)
                self._style = style
                at += 2
            elif kind == "inline":
                self._inline(token, token)
            elif kind in ("fence", "code_block"):
                self._emit(Code(token.info.strip(), token.content.removesuffix("\n").split("\n")), token)
            elif kind == "hr":
                self._emit(Rule(), token)
            elif kind == "table_open":
                end = next(n for n in range(at, len(tokens)) if tokens[n].type == "table_close")
                self._emit(_table(tokens[at:end], self._style), token)
                at = end
            at += 1

    def _depth(self) -> int:
        return sum(1 for first, _ in self._stack if "│" not in first[0][0])

    def _enter(self, first: tuple[Span, ...], rest: tuple[Span, ...]) -> None:
        self._stack.append((first, rest))
        self._fresh.append(True)

    def _leave(self) -> None:
        self._stack.pop()
        self._fresh.pop()

    def _emit(self, what: TextBlock | Rule | Table | Code, token: Token) -> None:
        rest = tuple(span for _, later in self._stack for span in later)
        if token.map and self._end is not None and token.map[0] > self._end:
            self.elements.append(Element(rest, rest, Gap()))
        first: list[Span] = []
        for n, (fresh, (sign, later)) in enumerate(zip(self._fresh, self._stack, strict=True)):
            first += sign if fresh else later
            self._fresh[n] = False
        self.elements.append(Element(tuple(first), rest, what))
        if token.map:
            self._end = token.map[1]

    def _inline(self, token: Token, place: Token) -> None:
        for spans in _spans(token, self._style):
            self._emit(TextBlock(tuple(spans)), place)


def _spans(token: Token, base: str) -> list[list[Span]]:
    """The lines of inline text: one, and one more for each hard break."""
    lines: list[list[Span]] = [[]]
    if len(token.content) > INLINE:
        return [shown([(token.content.replace("\n", " "), base)])]
    styles = [base]
    hrefs: list[tuple[str, int]] = []
    for child in token.children or ():
        kind, add = child.type, lines[-1].append
        if kind in ("text", "text_special", "html_inline"):
            add((child.content, styles[-1]))
        elif kind == "softbreak":
            add((" ", styles[-1]))
        elif kind == "hardbreak":
            lines.append([])
        elif kind == "code_inline":
            add((child.content, f"{styles[-1]} code".lstrip()))
        elif kind == "image":
            add((f"[image: {child.content or _attribute(child, 'src')}]", f"{styles[-1]} dim".lstrip()))
        elif kind == "link_open":
            styles.append(f"{styles[-1]} link".lstrip())
            hrefs.append((_attribute(child, "href"), len(lines[-1])))
        elif kind == "link_close":
            styles.pop()
            href, since = hrefs.pop()
            said = "".join(text for text, _ in lines[-1][since:])
            if href and said not in (href, href.removeprefix("mailto:")):
                lines[-1].append((f" ({href})", "faint"))
        elif kind in ("s_open", "s_close"):
            add((child.markup, "faint"))
            styles.append(f"{styles[-1]} faint".lstrip()) if child.nesting == 1 else styles.pop()
        elif kind in _MARKED:
            styles.append(f"{styles[-1]} {_MARKED[kind]}".lstrip())
        elif kind.endswith("_close"):
            styles.pop()
    return [shown(line, tab=" ") for line in lines]


_MARKED = {"strong_open": "strong", "em_open": "quote"}


def _attribute(token: Token, name: str) -> str:
    value: object = token.attrs.get(name, "")
    return str(value)


def _table(tokens: Sequence[Token], style: str) -> Table:
    rows: list[list[list[Span]]] = []
    right: list[bool] = []
    head = True
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            head = token.type == "th_open"
            if head:
                right.append("right" in _attribute(token, "style"))
            cell = _spans(tokens[number + 1], f"{style} strong".lstrip() if head else style)
            rows[-1].append([span for line in cell for span in line])
    return Table(tuple(right), tuple(tuple(tuple(cell) for cell in row) for row in rows))
