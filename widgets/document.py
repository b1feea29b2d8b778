"""The document pane: one version's content, or what it changed, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len
from textual.strip import Strip

from widgets.cropping import crop, fill, under
from widgets.paint import Ink, Line, Span, clip, pad, strip, wrap
from widgets.pane import Pane

DocumentMode = Literal["content", "diff", "split"]
"""The content, the change below each other, the change side by side."""
Shown = tuple[int, int, DocumentMode]
"""Document, version and mode: where a scroll position belongs."""
HELD = "\u00a0"
"""Between the words of one part of a line's blame: they are shown together or not at all."""
WIDE = 88
"""Columns from which the two sides of a change have room beside each other."""
TWO_NUMBERS = 60
"""Columns from which a diff shows the line numbers of both sides."""
TALL = 20
"""Lines of a pane from which the last one says what made the version."""
SHORT = 2_000
"""Bytes up to which what stands before a hit is measured in columns; above, a byte is taken to be one."""
BARS = {"+": "ok", "~": "accent", "-": "fail"}


@dataclass(frozen=True, slots=True)
class RowText:
    """A line as far as it is in view: drawn spans, whether it goes on, and which bytes of its content it is."""

    spans: tuple[Span, ...]
    more: bool
    start: int = field(compare=False)
    end: int = field(compare=False)
    ground: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One row: ``sign`` blank, ``+``, ``-``, ``~`` or ``⋯``; line numbers from 0, None where a side has none.

    ``old_text`` is what the left side (or a removed line) shows, ``new_text`` the right
    side; ``folded`` how many lines a ``⋯`` stands for. ``hunk`` is -1 outside of one.
    """

    sign: str
    old: int | None
    new: int | None
    old_text: RowText | None = None
    new_text: RowText | None = None
    hunk: int = -1
    folded: int = 0


@dataclass(frozen=True, slots=True)
class DocumentNeed:
    """What the pane shows: ``width`` × ``height`` cells below the title, from row ``top`` and column ``left`` on.

    ``row`` is where the line cursor stands, ``line`` the line of the content that it
    remembers; ``shown`` what these belong to. ``moves`` counts what the person did to them.
    """

    width: int
    height: int
    mode: DocumentMode = "content"
    top: int = 0
    row: int = 0
    line: int = 0
    left: int = 0
    blame: bool = False
    shown: Shown | None = None
    moves: int = 0

    @property
    def body(self) -> int:
        """Rows of the document, without the line that says what made it."""
        return self.height - 1 if self.height >= TALL - 1 else self.height


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """All that the pane draws.

    ``sentence`` stands in place of rows where there are none to show. ``top`` and ``row``
    are where the view put the window and the line cursor, of ``total`` rows. ``widest`` is
    the longest line in view that goes on to the right, in columns. ``blame`` has a short
    text for each row, where asked for.
    """

    need: DocumentNeed
    shown: Shown | None = None
    path: str = ""
    number: int | None = None
    newest: int = 0
    change: str = ""
    when: str = ""
    age: str = ""
    cause: str = ""
    sentence: str = ""
    rows: tuple[DocumentRow, ...] = ()
    top: int = 0
    row: int = 0
    total: int = 0
    digits: int = 3
    widest: int = 0
    old: bytes = field(default=b"", repr=False, compare=False)
    new: bytes = field(default=b"", repr=False, compare=False)
    blame: tuple[str, ...] | None = None

    @property
    def numbers(self) -> tuple[int | None, ...]:
        """For each row its line of the content, from 0; None for a removed or folded one."""
        return tuple(row.new for row in self.rows)


def blame_width(width: int) -> int:
    """Cells of the blame column, in a pane of this width."""
    return 22 if width >= 80 else 12


def text_width(need: DocumentNeed, digits: int) -> int:
    """Cells left for the text of a line (of either side) beside numbers, signs and blame."""
    if need.mode == "split":
        return max(1, (need.width - 2 - 2 * (digits + 3)) // 2)
    numbers = 2 * digits + 1 if need.mode == "diff" and need.width >= TWO_NUMBERS else digits
    return max(1, need.width - numbers - 4 - (blame_width(need.width) + 1 if need.blame else 0))


class DocumentPane(Pane[DocumentNeed, DocumentPage]):
    """Shows a DocumentPage; holds the scroll position, the line cursor, the mode and whether blame is shown."""

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self._page = DocumentPage(DocumentNeed(80, 20))
        self._mode: DocumentMode = "content"
        self._asked_split = False
        self._blame = False
        self._top = self._row = self._line = self._left = self._moves = 0
        self._known: dict[tuple[DocumentRow, str, bool], Strip] = {}
        """The rows drawn last: those that are the same are not drawn again."""
        self._frame: tuple[object, ...] = ()
        self._sought = ""
        """What the next page that holds it is to be moved to."""
        self._leap = False
        """Whether the next page is to show the remembered line, wherever that is in a diff."""

    # -- what the app asks and gives

    def need(self) -> DocumentNeed:
        """What the view has to load for the present size, scroll position and mode."""
        width, height = self.room
        shown = self._page.shown
        if self._leap and shown is not None:
            shown = (*shown[:2], "content")  # to the view it is as if the mode had changed: it goes to the line
        return DocumentNeed(
            width, height, self.mode, self._top, self._row, self._line, self._left,
            self._blame and self.mode == "content", shown, self._moves,
        )  # fmt: skip

    def show(self, page: DocumentPage) -> None:
        """Draw a page. Its scroll position is taken over, unless the person moved since it was asked for."""
        before, self._page = self._page.shown, page
        if page.need.moves == self._moves:
            self._top, self._row, self._leap = page.top, page.row, False
        if self._sought:
            self._seek()
        if self._left and before is not None and page.shown is not None and before[0] != page.shown[0]:
            self._left = 0  # another document begins at its first column
            self._changed()
        self.redraw()

    @property
    def mode(self) -> DocumentMode:
        """What is shown; side by side only where there is room, or where it was asked for by name."""
        if self._mode == "split" and self.size.width < WIDE and not self._asked_split:
            return "diff"
        return self._mode

    @property
    def line(self) -> int | None:
        """The line of the content under the line cursor, from 0; None on a removed or folded line."""
        row = self._at_cursor()
        return row.new if row is not None else None

    @property
    def note(self) -> str:
        """Why something that was asked for is not seen; nothing where all is."""
        if self._blame and self.mode != "content":
            return "Blame is shown beside the content, not in a diff; d switches."
        return ""

    def look_for(self, text: str) -> None:
        """With the next page that holds this text, move the line cursor to the first line that does."""
        self._sought = text

    # -- keys

    def cycle(self) -> bool:
        """From the content to the diff, to both sides where there is room, and back."""
        wide = self.size.width >= WIDE
        self.show_as({"content": "diff", "diff": "split" if wide else "content", "split": "content"}[self.mode])
        self._asked_split = False
        return True

    def show_as(self, mode: DocumentMode) -> None:
        """Show the document in this mode, whatever the width."""
        self._keep_line()
        self._mode, self._asked_split = mode, mode == "split"
        self._changed()

    def toggle_blame(self) -> None:
        """Show or hide who made each line."""
        self._blame = not self._blame
        self._changed()

    def move(self, lines: int) -> None:
        """Move the line cursor, and the window where it would leave it."""
        body = self.need().body
        self._row = self._within(self._row + lines)
        self._top = max(min(self._top, self._row), self._row - max(0, body - 1))
        self._moved()

    def page(self, pages: int) -> None:
        """Scroll by windows; the line cursor keeps its place on the screen."""
        body = self.need().body
        jump = pages * max(1, body - 2)
        self._top = max(0, min(self._top + jump, self._page.total - body))
        self._row = self._within(self._row + jump)
        self._moved()

    def home(self) -> None:
        """To the first line and column."""
        self._top = self._row = self._left = 0
        self._moved()

    def end(self) -> None:
        """To the last line."""
        self._row = self._within(self._page.total)
        self._top = max(0, self._page.total - self.need().body)
        self._moved()

    def side(self, columns: int) -> None:
        """Scroll to the right, or to the left where negative; as far as the longest line in view goes."""
        most = self._left + self._beyond if columns > 0 else self._left
        left = max(0, min(self._left + columns, most))
        if left != self._left:
            self._left = left
            self._changed()

    def copied(self) -> str:
        """The whole line under the cursor; in a diff the lines in view of its hunk, with their signs.

        Nothing where a sentence stands in place of the document.
        """
        row = self._at_cursor()
        if row is None:
            return ""
        if row.hunk < 0 or self._page.need.mode == "content":
            return self._plain(row.new_text or row.old_text)
        same = [other for other in self._page.rows if other.hunk == row.hunk]
        removed = ["-" + self._plain(r.old_text) for r in same if r.old is not None]
        added = ["+" + self._plain(r.new_text) for r in same if r.new is not None]
        return "\n".join(removed + added)

    # -- drawing

    def heading(self, width: int) -> tuple[Line, Line]:
        page = self._page
        if not page.path:
            return [("Document", "")], []
        number = f"{page.number:,}" if page.number is not None else ""
        number += " " * (len(f"{page.newest:,}") - len(number)) if number else ""
        side = [f"col {self._left + 1:,}"] if self._left else []
        if self._beyond:
            side.append(f"+{self._beyond:,} →")
        left = (" ".join(side),)
        of = (f"of {page.newest:,}",) if page.newest else ()
        notes = [
            (*left, *of, page.change, page.when, page.age),
            (*left, *of, page.change, page.age),
            (*left, *of, page.age),
            (*left, *of),
            left,
            (),
        ]
        room = width - 8 - (len(number) + 2 if number else 0)
        path = cell_len(clip(page.path, width))
        for note in (" · ".join(part for part in parts if part) for parts in notes):
            if min(path, 16) + cell_len(note) + 3 <= room:
                break
        else:
            note = ""
        title: list[Span] = [(clip(page.path, max(1, room - cell_len(note) - (3 if note else 0)), keep="both"), "")]
        if number:
            title += [(" ", ""), (f"@{number}", "accent")]
        return title, [(note, "dim")] if note else []

    def lines(self, width: int, height: int) -> Sequence[Line | Strip]:
        page = self._page
        body = page.need.body if height == page.need.height else height
        out: list[Line | Strip] = []
        if page.sentence:
            out.append(())
            out += [[("  ", ""), *line] for line in wrap([(page.sentence, "dim")], max(1, width - 4))]
            del out[body:]
        else:
            blames = _grouped(page.blame, page.rows) if page.need.blame else [""] * len(page.rows)
            cursor = self._row - page.top
            frame = (width, page.need.mode, page.need.blame, page.digits, self.has_focus, self.ink)
            known = self._known if frame == self._frame else {}
            keys = [(row, blame, i == cursor) for i, (row, blame) in enumerate(zip(page.rows, blames, strict=True))]
            strips = {key: known.get(key) or strip(self._across(*key, width), width, self.ink) for key in keys[:body]}
            out += [strips[key] for key in keys[:body]]
            self._known, self._frame = strips, frame
        if body < height and page.cause:
            out += [()] * (body - len(out))
            out.append([("  ", ""), (clip(page.cause, width - 2), "dim")])
        return out

    def _across(self, row: DocumentRow, blame: str, here: bool, width: int) -> Line:
        page = self._page
        number = "dim" if here else "faint"
        line: list[Span] = []
        if page.need.blame:
            line.append((pad(_fitting(blame, blame_width(width)), blame_width(width)) + " ", "dim"))
        line.append(("▸", "accent") if here else (" ", ""))
        room = text_width(page.need, page.digits)
        if page.need.mode == "split":
            if row.sign == "⋯":
                line += _folded(row, page.digits)
            else:
                line += _half(
                    row.old, row.old_text, "-" if row.sign in ("-", "~") else " ", page.digits, room, number
                )
                line.append(("│", "rule"))
                line += _half(
                    row.new, row.new_text, "+" if row.sign in ("+", "~") else " ", page.digits, room, number
                )
        elif row.sign == "⋯":
            line += _folded(row, page.digits)
        else:
            numbers = [row.new if row.new is not None else row.old]
            if page.need.mode == "diff" and width >= TWO_NUMBERS:
                numbers = [row.old, row.new]
            shown = " ".join(_number(n, page.digits) for n in numbers)
            line.append((f"{shown} ", number))
            text = row.new_text or row.old_text
            line += _marked(row.sign, text, room)
        return fill(under(line, "here"), width, "here") if here and self.has_focus else line

    # -- inside

    def _at_cursor(self) -> DocumentRow | None:
        at = self._row - self._page.top
        return self._page.rows[at] if 0 <= at < len(self._page.rows) else None

    @property
    def _beyond(self) -> int:
        """Columns of the longest line in view that are to the right of what is seen."""
        page = self._page
        asked = page.need.left + text_width(page.need, page.digits)
        return max(0, page.widest - asked) if page.rows else 0

    def _seek(self) -> None:
        """Go to the first line of the page's content that holds what is sought, if any does."""
        page, sought = self._page, self._sought.encode("utf-8", "surrogateescape")
        at = page.new.find(sought)
        if page.sentence or at < 0:
            gone = [n for n, row in enumerate(page.rows) if self._sought in self._plain(row.old_text)]
            if gone:  # it was taken out: in a diff the line that held it is there
                self._sought = ""
                self.move(page.top + gone[0] - self._row)
            return
        begin = page.new.rfind(b"\n", 0, at) + 1
        self._sought, self._line = "", page.new.count(b"\n", 0, begin)
        before = cell_len(page.new[begin:at].decode("utf-8", "replace")) if at - begin < SHORT else at - begin
        room = text_width(page.need, page.digits)
        self._left = 0 if before + len(sought) <= room else max(0, before - room // 2)
        if page.need.mode == "content":
            self._row = self._within(self._line)
            if not self._top <= self._row < self._top + page.need.body:
                self._top = max(0, min(self._row - page.need.body // 3, page.total - page.need.body))
        else:
            self._leap = True
        self._changed()

    def _within(self, row: int) -> int:
        return max(0, min(row, self._page.total - 1))

    def _keep_line(self) -> None:
        line = self.line
        if line is not None:
            self._line = line

    def _moved(self) -> None:
        if self.mode == "content":
            self._line = self._row
        else:
            self._keep_line()
        self._moves += 1
        self.redraw()
        page = self._page
        if self._top != page.top or self._left != page.need.left:
            self.post_message(self.Wanted(self))

    def _changed(self) -> None:
        self._moves += 1
        self.post_message(self.Wanted(self))

    def _plain(self, text: RowText | None) -> str:
        if text is None:
            return ""
        content = self._page.old if text.ground == "removed" else self._page.new
        return content[text.start : text.end].decode("utf-8", "replace")


def _number(line: int | None, digits: int) -> str:
    return f"{line + 1:>{digits}}" if line is not None else " " * digits


def _folded(row: DocumentRow, digits: int) -> list[Span]:
    return [(" " * (digits - 1) + "⋯ ", "faint"), (f"{row.folded:,} lines", "faint")]


def _marked(sign: str, text: RowText | None, room: int) -> list[Span]:
    """Sign, bar and text of a line; a line that goes on ends with ``…``."""
    ground = text.ground if text is not None else ""
    style = BARS.get(sign, "")
    shown = "−" if sign == "-" else sign
    line: list[Span] = [(shown, style), ("▎" if style else " ", f"{ground} {style}".strip())]
    spans = list(text.spans) if text is not None else []
    if ground:
        spans = fill(under(spans, ground), room, ground)
    if text is not None and text.more:
        spans = [*fill(crop(spans, 0, room - 1)[0], room - 1, ground), ("…", f"{ground} faint".strip())]
    return [*line, *spans]


def _half(line: int | None, text: RowText | None, sign: str, digits: int, room: int, number: str) -> list[Span]:
    if line is None:
        return [(" " * (digits + 3 + room), "")]
    return [(f"{_number(line, digits)} ", number), *fill(_marked(sign, text, room), room + 2, "")]


def _fitting(blame: str, room: int) -> str:
    """As many of its parts as fit: half an age says nothing."""
    parts = blame.split(" ")
    while len(parts) > 1 and cell_len(" ".join(parts)) > room:
        parts.pop()
    return " ".join(parts).replace(HELD, " ")


def _grouped(blame: tuple[str, ...] | None, rows: Sequence[DocumentRow]) -> list[str]:
    """The texts of the blame column, blank where a line was made by what made the one above it."""
    if blame is None:
        return [""] * len(rows)
    texts = [*blame, *[""] * (len(rows) - len(blame))][: len(rows)]
    return [text if not index or texts[index - 1] != text else "" for index, text in enumerate(texts)]
