"""The rows of a document in view: cropped to the window first, then coloured and marked."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from widgets.code import highlight
from widgets.cropping import crop, overlay
from widgets.diffing import Allowance, Range, Spot, edges, word_marks
from widgets.document import DocumentRow, RowText
from widgets.paint import Span
from workspace.store.lines import Hunk
from wukong_tui.views.colours import Colours
from wukong_tui.views.linemap import LineMap, LinePiece, piece

HEAD = 400
"""Characters of a line that are highlighted."""
LEAD = 20
"""Lines before the window that are highlighted too: a string may have begun there."""
CHUNK = 20
"""Where a highlighted stretch begins and ends is a multiple of this."""
INNER_LINES = 60
"""Lines on either side of a hunk up to which its words are compared as a whole; above, line by line."""
INNER_BYTES = 16 << 10
LONG = 1_000
"""Bytes from which a line's ends are compared instead of its words."""
SECONDS = 0.08
"""Time for the word marks of one page."""
REMEMBERED = 200
NARROW = 60
"""Columns of text below which a tab is half as wide."""


class Side:
    """One content with what its rows need: its lines, its language, the longest line in view.

    ``widest`` is in columns, of the lines that go on to the right of the window; 0 where none does.
    """

    def __init__(self, lines: LineMap, *, language: str | None = None, old: bool = False) -> None:
        self.lines = lines
        self.language = language
        self.old = old
        self.widest = 0
        self.edges: dict[tuple[int, int], tuple[Range, Range]] = {}
        """Of long changed lines, by their bytes, what differs from their other side."""
        self._ranges: dict[int, tuple[int, int]] = {}

    def want(self, first: int, last: int) -> None:
        """Find the lines ``first`` to ``last`` (exclusive) in one go."""
        self._ranges.update(zip(range(first, last), self.lines.ranges(first, last), strict=False))

    def range(self, line: int) -> tuple[int, int]:
        """The bytes of a line, without its end."""
        if line not in self._ranges:
            self.want(line, line + 1)
        return self._ranges[line]

    def text(self, line: int) -> str:
        """A short line as text."""
        start, end = self.range(line)
        return self.lines.content[start:end].decode("utf-8", "surrogateescape")

    def piece(self, line: int, left: int, width: int) -> LinePiece:
        """A line as far as it decides the window."""
        start, end = self.range(line)
        return piece(self.lines.content, start, end, left, width)

    def head(self, line: int) -> str:
        """The beginning of a line, as it is highlighted."""
        start, end = self.range(line)
        if end > start and end - start <= HEAD and self.lines.content[end - 1] == 13:
            end -= 1
        return piece(self.lines.content, start, end, 0, HEAD).text[:HEAD]


class Body:
    """Makes rows; remembers colours and word marks."""

    LARGEST = 1 << 20
    """Bytes of a content up to which it is highlighted."""

    def __init__(self) -> None:
        self._colours = Colours()
        self._marks: OrderedDict[tuple[bytes, bytes], tuple[list[list[Range]], list[list[Range]]]] = OrderedDict()

    def content(
        self, side: Side, hunks: Sequence[Hunk], first: int, last: int, left: int, width: int
    ) -> tuple[DocumentRow, ...]:
        """The lines ``first`` to ``last`` of a content, with a sign where one changed."""
        side.want(first, last)
        colours = _coloured(side, first, last, self._colours) if left < HEAD else {}
        signs = _signs(hunks, first, last, side.lines.lines)
        rows = []
        for line in range(first, last):
            text = _text(side, line, colours.get(line), (), left, width)
            sign, hunk = signs.get(line, (" ", -1))
            rows.append(DocumentRow(sign, None, line, None, text, hunk))
        return tuple(rows)

    def diff(
        self,
        sides: tuple[Side, Side],
        hunks: Sequence[Hunk],
        spots: Sequence[Spot],
        left: int,
        width: int,
        *,
        split: bool,
    ) -> tuple[DocumentRow, ...]:
        """The rows of a diff that ``spots`` tell, with word marks as far as time allows."""
        old, new = sides
        colours: list[dict[int, list[Span]]] = [{}, {}]
        if left < HEAD:
            for index, side in enumerate(sides):
                wanted = [s.old if side.old else s.new for s in spots]
                colours[index] = _apart(side, [n for n in wanted if n is not None])
        time = Allowance(SECONDS)
        rows = []
        for spot in spots:
            if spot.folded:
                rows.append(DocumentRow("⋯", None, None, folded=spot.folded))
                continue
            texts: list[RowText | None] = [None, None]
            for index, (side, line) in enumerate(((old, spot.old), (new, spot.new))):
                if line is None or (index == 0 and spot.hunk < 0 and not split):
                    continue
                marks: Iterable[Range] = ()
                if spot.hunk >= 0:
                    marks = self._words(sides, hunks[spot.hunk], index, line, left, width, time)
                ground = ("removed", "added")[index] if spot.hunk >= 0 else ""
                texts[index] = _text(side, line, colours[index].get(line), marks, left, width, ground)
            rows.append(DocumentRow(spot.sign, spot.old, spot.new, texts[0], texts[1], spot.hunk))
        return tuple(rows)

    def _words(
        self, sides: tuple[Side, Side], hunk: Hunk, index: int, line: int, left: int, width: int, time: Allowance
    ) -> Sequence[Range]:
        """The characters of a changed line's piece that are not on the other side of its hunk."""
        old, new = sides
        counts = hunk.old_end - hunk.old_start, hunk.new_end - hunk.new_start
        if not all(counts):
            return ()
        at = line - (hunk.old_start if index == 0 else hunk.new_start)
        spans = [
            (side.lines.start(a), side.lines.start(b))
            for side, a, b in ((old, hunk.old_start, hunk.old_end), (new, hunk.new_start, hunk.new_end))
        ]
        if max(counts) <= INNER_LINES and max(b - a for a, b in spans) <= INNER_BYTES:
            whole = [side.lines.content[a:b].removesuffix(b"\n") for side, (a, b) in zip(sides, spans, strict=True)]
            if max(len(part) for text in whole for part in text.split(b"\n")) <= LONG:
                return self._compared(whole[0], whole[1], time)[index][at]
        if at >= min(counts):
            return ()
        pair = [side.range(start + at) for side, start in ((old, hunk.old_start), (new, hunk.new_start))]
        if (at_edges := old.edges.get(pair[0])) is None:
            contents = [side.lines.content[a:b] for side, (a, b) in zip(sides, pair, strict=True)]
            if max(map(len, contents)) <= LONG:
                return self._compared(contents[0], contents[1], time)[index][0]
            at_edges = old.edges[pair[0]] = edges(contents[0], contents[1])
        start, end = at_edges[index]
        seen = sides[index].piece(line, left, width)
        first = seen.start - pair[index][0]
        cuts = [max(0, min(cut - first, seen.end - seen.start)) for cut in (start, end)]
        text = sides[index].lines.content[seen.start : seen.end]
        marked = [len(text[:cut].decode("utf-8", "surrogateescape")) for cut in cuts]
        return ((marked[0], marked[1]),) if marked[0] < marked[1] else ()

    def _compared(self, old: bytes, new: bytes, time: Allowance) -> tuple[list[list[Range]], list[list[Range]]]:
        key = (old, new)
        if (known := self._marks.get(key)) is not None:
            self._marks.move_to_end(key)
            return known
        texts = old.decode("utf-8", "surrogateescape"), new.decode("utf-8", "surrogateescape")
        if not time.left:
            return [[] for _ in texts[0].split("\n")], [[] for _ in texts[1].split("\n")]
        found = self._marks[key] = word_marks(texts[0], texts[1], time.left)
        if len(self._marks) > REMEMBERED:
            self._marks.popitem(last=False)
        return found


def _text(
    side: Side,
    line: int,
    colours: list[Span] | None,
    marks: Iterable[Range],
    left: int,
    width: int,
    ground: str = "",
) -> RowText:
    """A line as the window shows it. The carriage return before a line feed shows where the line changed."""
    start, end = side.range(line)
    seen = side.piece(line, left, width)
    text = seen.text
    returned = not seen.more and text.endswith("\r") and end < len(side.lines.content)
    if returned:
        text = text[:-1]
    spans: list[Span] = [(text, "")]
    if colours and seen.column == 0:
        size = sum(len(part) for part, _ in colours)
        spans = [*colours, (text[size:], "")] if size <= len(text) else colours
    spans = overlay(spans, marks, f"{ground}-word")
    if ground and returned:
        spans.append(("\r", "faint"))
    if ground and end == len(side.lines.content):
        spans.append(("  (no line end)", "faint"))
    tab = 4 if width < NARROW else 8
    shown, more = crop(spans, left, width, tab=tab, column=seen.column)
    if more or seen.more:
        side.widest = max(side.widest, left + width + 1, side.lines.columns(start, end, tab))
    return RowText(tuple(shown), more or seen.more, start, end, ground)


def _coloured(side: Side, first: int, last: int, known: Colours) -> dict[int, list[Span]]:
    """The colours of some lines on end, read with lines before them, from places that scrolling seldom changes."""
    if side.language is None:
        return {}
    begin = max(0, (first - LEAD) // CHUNK * CHUNK)
    end = min(side.lines.lines, -(-last // CHUNK) * CHUNK)
    side.want(begin, end)
    rows = known.of([side.head(line) for line in range(begin, end)], side.language)
    return dict(zip(range(first, last), rows[first - begin :], strict=False))


def _apart(side: Side, lines: Sequence[int]) -> dict[int, list[Span]]:
    """The colours of some lines of a diff."""
    if side.language is None or not lines:
        return {}
    rows = highlight([side.head(line) for line in lines], side.language)
    return dict(zip(lines, rows, strict=True))


def _signs(hunks: Sequence[Hunk], first: int, last: int, total: int) -> dict[int, tuple[str, int]]:
    """Signs of the lines ``first`` to ``last`` and the hunk of each; where lines are gone, the next one says so."""
    out: dict[int, tuple[str, int]] = {}
    at = max(0, bisect_left(hunks, first, key=lambda hunk: hunk.new_end))
    for index in range(at, len(hunks)):
        hunk = hunks[index]
        if hunk.new_start >= last and hunk.new_start < total:
            break
        if hunk.new_start == hunk.new_end:
            out[min(hunk.new_start, total - 1)] = ("-", index)
            continue
        sign = "~" if hunk.old_start < hunk.old_end else "+"
        out.update((line, (sign, index)) for line in range(max(first, hunk.new_start), min(last, hunk.new_end)))
    return out
