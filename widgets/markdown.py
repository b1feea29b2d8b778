"""Markdown that grows: blocks that can no longer change are kept, only the last one is read and laid out again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from widgets.blocks import Block, Code, Element, Gap, read_blocks
from widgets.rows import FlowRow
from workspace.visible import visible

_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`\n]*\n)|~{3,})([^\n]*)\n")
_EMPTY = re.compile(r"\n[ \t]*\n[ \t]*\Z")
_MARKER = re.compile(r"[\s\-=*_+#>`~|:.\d]*")
"""A line that may still become anything: it is not shown before it has said what it is."""


class Markdown:
    """The blocks of a Markdown text that may still be growing, as rows at a width.

    ``update`` gives it the text so far; as long as that continues the text before, only
    the last block is read again. ``done`` says that no more will come.
    """

    def __init__(self, source: str = "", *, done: bool = True) -> None:
        self._source = self._written = ""
        self._done = False
        self._at = 0  # everything before is read for good
        self._pieces: list[Block] = []
        self._tail: list[Block] = []
        self._fence: _Fence | None = None
        self._gaps: dict[int, bool] = {}
        self._width = -1
        self._rows: list[FlowRow] = []
        self._laid = 0
        self._base = 0
        self._tail_rows: list[FlowRow] | None = None
        self.update(source, done=done)

    def update(self, source: str, *, done: bool = False) -> None:
        """The text so far; cheap where it continues the one before."""
        self._written = source
        source = source.replace("\r", "␍")  # a line's end for Markdown, and none for our counting of lines
        if source == self._source and done == self._done:
            return
        sealed = self._at
        if (
            len(source) < sealed
            or source[:sealed] != self._source[:sealed]
            or (self._done and source != self._source)
        ):
            self._reset()
        self._source, self._done = source, done
        self._tail, self._tail_rows = [], None
        while self._advance():
            pass

    @property
    def source(self) -> str:
        """The text so far, as it is written."""
        return self._written

    def text(self) -> str:
        """What is shown, without marks: what the characters of rows are counted in."""
        return "\n".join(element.text() for piece in (*self._pieces, *self._tail) for element in self._spaced(piece))

    def rows(self, width: int) -> list[FlowRow]:
        """All rows at a width in cells."""
        if width != self._width:
            self._width, self._rows, self._laid, self._base = width, [], 0, 0
            self._tail_rows = None
        while self._laid < len(self._pieces):
            self._base = self._lay(self._pieces[self._laid], self._rows, self._base)
            self._laid += 1
        if self._tail_rows is None:
            self._tail_rows = []
            base = self._base
            for piece in self._tail:
                base = self._lay(piece, self._tail_rows, base)
        return [*self._rows, *self._tail_rows]

    def codes(self) -> list[tuple[int, str]]:
        """The code blocks, each with the character at which it begins."""
        out: list[tuple[int, str]] = []
        base = 0
        for piece in (*self._pieces, *self._tail):
            for element in self._spaced(piece):
                text = element.text()
                if isinstance(element.what, Code):
                    out.append((base, text))
                base += len(text) + 1
        return out

    # -- inside

    def _reset(self) -> None:
        self._at, self._pieces, self._tail, self._fence = 0, [], [], None
        self._gaps, self._width, self._tail_rows = {}, -1, None

    def _lay(self, piece: Block, rows: list[FlowRow], base: int) -> int:
        for element in self._spaced(piece):
            rows += element.rows(self._width, base)
            base += len(element.text()) + 1
        return base

    def _spaced(self, piece: Block) -> tuple[Element, ...]:
        """A piece with the empty line before it, where there is one."""
        return (_BLANK, *piece.elements) if self._gaps.get(piece.start) else piece.elements

    def _advance(self) -> bool:
        """Read what is not read for good; whether there is more to read after a block of code has ended."""
        if self._fence is not None:
            if self._fence.read(self._source, self._done):
                self._pieces.append(self._note(self._fence.piece(), self._pieces))
                self._at, self._fence = self._fence.at, None
                return True
            self._tail = [self._note(self._fence.piece(), self._pieces)]
            return False
        tail = self._source[self._at :]
        if (match := _FENCE.match(tail)) is not None:
            self._fence = _Fence(self._at, match)
            ended = self._fence.read(self._source, self._done)
            piece = self._note(self._fence.piece(), self._pieces)
            if not ended:
                self._tail = [piece]
                return False
            self._pieces.append(piece)
            self._at, self._fence = self._fence.at, None
            return True
        last = tail.rfind("\n") + 1
        read = tail if self._done or not _MARKER.fullmatch(tail, last) else tail[:last]
        found = read_blocks(read, self._at)
        keep = max((n for n, piece in enumerate(found) if piece.start < self._at + last), default=0)
        if self._done:
            keep = 0
        for piece in found[:keep]:
            self._pieces.append(self._note(piece, self._pieces))
        before = list(self._pieces)
        for piece in found[keep:]:
            before.append(self._note(piece, before))
        self._tail = before[len(self._pieces) :]
        if keep:
            self._at = found[keep].start
            if _FENCE.match(self._source, self._at) is not None:
                self._tail = []
                return True
        return False

    def _note(self, piece: Block, before: Sequence[Block]) -> Block:
        """Remember whether an empty line stands before a piece."""
        gap = False
        if before:
            above = self._source[max(0, piece.start - 200) : piece.start]
            gap = piece.airy or before[-1].airy or _EMPTY.search(above) is not None
        self._gaps[piece.start] = gap
        return piece


class _Fence:
    """A block of code at top level, read line by line as it comes."""

    def __init__(self, start: int, match: re.Match[str]) -> None:
        self._start = start
        self.at = start + match.end()
        self._indent = len(match[1])
        self._sign = match[2][0]
        self._end = re.compile(rf" {{0,3}}{self._sign}{{{len(match[2])},}}[ \t]*")
        self._code = Code(match[3].strip())

    def read(self, source: str, done: bool) -> bool:
        """Take the lines that have come; whether the block has ended."""
        while (end := source.find("\n", self.at)) >= 0:
            line, self.at = source[self.at : end], end + 1
            if self._end.fullmatch(line):
                self._code.open = ""
                return True
            self._code.add(self._bare(line))
        rest = source[self.at :]
        if self._end.fullmatch(rest) or (not done and rest.strip() and not rest.strip().strip(self._sign)):
            rest = ""  # an end, or what may become one
        self._code.open = visible(self._bare(rest), tab="    ")
        return False

    def piece(self) -> Block:
        return Block(self._start, (Element((), (), self._code),), airy=True)

    def _bare(self, line: str) -> str:
        spaces = len(line) - len(line.lstrip(" "))
        return line[min(self._indent, spaces) :]


_BLANK = Element((), (), Gap())
