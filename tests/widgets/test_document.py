"""The document pane: what it draws of its pages, what it sends to the terminal, how it is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region

from widgets.cropping import crop, overlay
from widgets.diffing import Layout, changes, edges, word_marks
from widgets.document import DocumentMode, DocumentPane
from widgets.sheet import Sheet
from workspace import Version, Workspace
from workspace.store.lines import Hunk, split
from wukong_tui.views import Look
from wukong_tui.views.document import DocumentView

NOW = 2_000_000_000_000_000


@pytest.fixture
def work(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder) as work:
        yield work


class Watched(DocumentPane):
    """Remembers which cells it asked to be drawn again."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[Region] = []

    def redraw(self) -> None:
        before = list(self._drawn)
        super().redraw()
        if len(before) == len(self._drawn):
            self.regions += [
                Region(0, y, len(a.text), 1)
                for y, (a, b) in enumerate(zip(before, self._drawn, strict=True))
                if a != b
            ]


class Pane(App[None]):
    """A document pane with the view that feeds it."""

    def __init__(self, work: Workspace, version: Version) -> None:
        super().__init__()
        self.work = work
        self.version = version
        self.view = DocumentView()
        self.document = Watched()
        self.wanted = 0

    def compose(self) -> ComposeResult:
        yield self.document

    def on_sheet_wanted(self, event: Sheet.Wanted) -> None:
        self.wanted += 1
        self.frame()

    def frame(self, version: Version | None = None) -> None:
        self.version = version or self.version
        look = Look(self.version.entry, self.work.cursor, False, None, self.version.document, 1, NOW)
        self.document.show(self.view.load(self.work, look, self.document.need()))

    @property
    def shown(self) -> list[str]:
        return [self.document.render_line(y).text.rstrip() for y in range(self.document.size.height)]


def numbered(count: int, **changed: str) -> bytes:
    lines = [f"line {n}" for n in range(count)]
    for key, text in changed.items():
        lines[int(key[1:])] = text
    return ("\n".join(lines) + "\n").encode()


async def test_a_step_redraws_the_lines_that_changed_and_the_title(work: Workspace) -> None:
    versions = [work.write("a.txt", numbered(1000, n500=f"state {n}")) for n in range(1, 30)]
    app = Pane(work, versions[4])
    async with app.run_test(size=(90, 40)) as pilot:
        app.frame(versions[5])
        await pilot.pause()
        app.document.regions.clear()
        app.frame(versions[6])
        assert len(app.document.regions) <= 3  # the title, the line, the operation in the last line
        assert app.document.regions[0].y == 0
        app.document.regions.clear()
        app.frame(versions[6])
        assert app.document.regions == []


async def test_the_title_tells_number_newest_change_and_time_and_the_path_keeps_its_end(work: Workspace) -> None:
    version = work.write("some/long/folder/that/goes/on/and/on/floor.txt", numbered(5))
    app = Pane(work, version)
    async with app.run_test(size=(90, 24)) as pilot:
        await pilot.pause()
        assert "floor.txt @1 " in app.shown[0]
        assert " of 1 · create · " in app.shown[0]
        assert app.shown[-1].startswith("  op 1 edit +5 −0")
        for width in (80, 58, 40, 30, 20, 8):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            assert cell_len(app.shown[0]) <= width
            if width >= 30:
                assert ".txt @1" in app.shown[0]


async def test_every_row_fits_whatever_the_width_the_mode_and_the_content(work: Workspace) -> None:
    odd = "漢字" * 60 + "\n\ttab\t\ttab\n\x1b]52;c;x\x07 \u202e e\u0301\u0301 \r x\n👩‍👩‍👧\n" + "long " * 90 + "\n"
    work.write("a.txt", odd.encode() + b"\xff\xfe")
    version = work.write("a.txt", odd.replace("long", "short").replace("tab", "TAB").encode() + b"\xff")
    app = Pane(work, version)
    async with app.run_test(size=(120, 24)) as pilot:
        for width in (160, 90, 78, 59, 40, 21, 9, 3, 1):
            await pilot.resize_terminal(width, 24)
            for mode in ("content", "diff", "split"):
                app.document.show_as(mode)  # type: ignore[arg-type]
                for columns in (0, 1, 7, 60):
                    app.document.side(columns)
                    await pilot.pause()
                    for y in range(24):
                        strip = app.document.render_line(y)
                        assert cell_len(strip.text) == width
                        assert not any(c < " " or "\x7f" <= c <= "\x9f" or c == "\u202e" for c in strip.text)
                app.document.home()
                await pilot.pause()


async def test_keys_move_the_line_and_the_window(work: Workspace) -> None:
    app = Pane(work, work.write("a.txt", numbered(100)))
    async with app.run_test(size=(60, 11)) as pilot:  # a title and ten rows
        await pilot.pause()
        document = app.document
        asked = app.wanted
        document.move(9)
        await pilot.pause()
        assert (document.line, app.wanted) == (9, asked)
        assert app.shown[10].startswith("▸ 10")
        document.move(1)
        await pilot.pause()
        assert (document.line, app.wanted) == (10, asked + 1)
        assert app.shown[1].endswith("line 1")
        document.page(1)
        await pilot.pause()
        assert (app.shown[1].split()[-1], document.line) == ("9", 18)
        document.end()
        await pilot.pause()
        assert (app.shown[10].split()[-1], document.line, document.copied()) == ("99", 99, "line 99")
        document.home()
        await pilot.pause()
        assert document.line == 0


async def test_the_modes_go_round_and_side_by_side_needs_room(work: Workspace) -> None:
    work.write("a.txt", b"one\ntwo\nthree\n")
    app = Pane(work, work.write("a.txt", b"one\n2\nthree\n"))
    async with app.run_test(size=(120, 11)) as pilot:
        modes = []
        for _ in range(3):
            app.document.cycle()
            await pilot.pause()
            modes.append(app.document.mode)
        assert modes == ["diff", "split", "content"]
        await pilot.resize_terminal(80, 11)
        for _ in range(2):
            app.document.cycle()
            await pilot.pause()
            modes.append(app.document.mode)
        assert modes[3:] == ["diff", "content"]
        app.document.show_as("diff")
        await pilot.pause()
        assert app.shown[1:5] == ["▸  1   1   one", "   2     −▎two", "       2 +▎2", "   3   3   three"]
        app.document.move(2)
        assert app.document.copied() == "-two\n+2"
        app.document.show_as("split")
        await pilot.pause()
        assert app.document.mode == "split"
        assert "│" in app.shown[1]


async def test_blame_has_a_column_of_fixed_width_and_says_things_once(work: Workspace) -> None:
    app = Pane(work, work.write("a.txt", numbered(6)))
    async with app.run_test(size=(90, 11)) as pilot:
        await pilot.pause()
        app.document.toggle_blame()
        await pilot.pause()
        assert app.shown[1].startswith("@1 ")
        page = app.view.load(work, Look(1, 1, False, None, app.version.document, 1, NOW), app.document.need())
        assert page.numbers == (0, 1, 2, 3, 4, 5)
        app.document.show(replace(page, blame=()))
        assert app.shown[1] == " " * 23 + "▸  1 +▎line 0"
        app.document.show(replace(page, blame=("@1 ada 2 h", "@1 ada 2 h", "", "@1 ada 2 h", "@2 bob", "@2 bob")))
        assert [line[:12].rstrip() for line in app.shown[1:7]] == ["@1 ada 2 h", "", "", "@1 ada 2 h", "@2 bob", ""]
        app.document.toggle_blame()
        await pilot.pause()
        assert app.shown[1] == "▸  1 +▎line 0"


async def test_a_sentence_in_place_of_text_is_whole_in_a_narrow_pane(work: Workspace) -> None:
    work.write("gone.txt", b"text\n")
    app = Pane(work, work.delete("gone.txt"))
    async with app.run_test(size=(40, 24)) as pilot:
        await pilot.pause()
        said = " ".join(line.strip() for line in app.shown[2:5]).strip()
        assert said == "Deleted in version 2; the version before still has its content."


async def test_what_the_person_does_meanwhile_is_not_undone_by_a_late_page(work: Workspace) -> None:
    app = Pane(work, work.write("a.txt", numbered(100)))
    async with app.run_test(size=(60, 11)) as pilot:
        await pilot.pause()
        look = Look(1, 1, False, None, app.version.document, 1, NOW)
        late = app.view.load(work, look, app.document.need())
        app.document.end()
        app.document.show(late)
        await pilot.pause()
        assert app.document.line == 99


def test_tabs_and_wide_characters_keep_their_columns() -> None:
    line = [("a\tb", "x"), ("\tc漢d", "y")]
    assert crop(line, 0, 30) == ([("a       b", "x"), ("       c漢d", "y")], False)
    assert crop(line, 8, 10) == ([("b", "x"), ("       c", "y")], True)  # half a character is none
    assert crop(line, 18, 5) == ([(" d", "y")], False)
    assert crop([("ab", ""), ("cd", "")], 0, 2) == ([("ab", "")], True)
    assert crop([], 5, 5) == ([], False)


def test_marks_are_laid_over_spans() -> None:
    line = [("abc", "k"), ("def", "")]
    assert overlay(line, [(1, 4)], "m") == [("a", "k"), ("bc", "k m"), ("d", " m"), ("ef", "")]
    assert overlay(line, [], "m") == line
    assert overlay(line, [(0, 6)], "m") == [("abc", "k m"), ("def", " m")]


def test_word_marks_name_what_differs_line_by_line() -> None:
    assert word_marks("a = one(1)\nsame", "a = two(1)\nsame", 1) == ([[(4, 7)], []], [[(4, 7)], []])
    assert word_marks("nothing alike", "42 + 17 * x", 1) == ([[]], [[]])
    old, new = word_marks("漢字かな文", "漢字カナ文", 1)
    assert (old, new) == ([[(2, 4)]], [[(2, 4)]])
    assert edges("aé1b".encode(), "aè1b".encode()) == ((1, 3), (1, 3))


def test_the_rows_of_a_diff_can_be_read_from_anywhere() -> None:
    layout = Layout([Hunk(10, 12, 10, 11), Hunk(50, 50, 49, 60)], 100)
    spots = list(layout.spots(0, layout.rows))
    for first in range(layout.rows):
        assert list(layout.spots(first, first + 4)) == spots[first : first + 4]
    assert sum(spot.folded for spot in spots) + sum(spot.old is not None for spot in spots) == 100
    assert [layout.row_of(spot.new) for spot in spots if spot.new is not None] == [
        row for row, spot in enumerate(spots) if spot.new is not None
    ]
    assert layout.row_of(0) is None
    assert Layout([], 100).rows == 0


def test_large_rewrites_are_compared_by_the_lines_that_hold() -> None:
    old = [b"line %d\n" % n for n in range(60_000)]
    new = [b"" if n % 7 == 0 else b"new %d\n" % n if n % 3 == 0 else line for n, line in enumerate(old)]
    contents = b"".join(old), b"".join(new)
    found = changes(*contents, 60_000, len(split(contents[1])))
    before, after = split(contents[0]), split(contents[1])
    assert len(found) > 10_000
    rebuilt: list[bytes] = []
    at = 0
    for hunk in found:
        rebuilt += before[at : hunk.old_start] + after[hunk.new_start : hunk.new_end]
        assert len(rebuilt) == hunk.new_end
        at = hunk.old_end
    assert rebuilt + before[at:] == after


@pytest.mark.parametrize("mode", ["content", "diff", "split"])
async def test_a_long_line_can_be_read_to_its_end_in_every_mode(work: Workspace, mode: DocumentMode) -> None:
    for name, line in (
        ("plain", "x" * 300 + "END"),
        ("tabs", "\t" * 40 + "END"),
        ("wide", "漢" * 200 + "END"),
        ("long", "漢" * 1_500 + "END"),
    ):
        work.write(name, b"short\n")
        app = Pane(work, work.write(name, f"short\n{line}\n".encode()))
        async with app.run_test(size=(100, 12)) as pilot:
            app.document.show_as(mode)
            await pilot.pause()
            assert " →" in app.shown[0]
            assert not any("END" in row for row in app.shown)
            for _ in range(500):
                app.document.side(20)
                await pilot.pause()
                if " →" not in app.shown[0]:
                    break
            assert any(row.endswith("END") for row in app.shown[1:]), (name, app.shown)
            shown = app.shown
            app.document.side(20)
            await pilot.pause()
            assert app.shown == shown, "it goes no further than that"
            app.document.side(-10_000)
            await pilot.pause()
            assert "col " not in app.shown[0]


async def test_the_title_says_how_far_a_line_goes_on(work: Workspace) -> None:
    app = Pane(work, work.write("a.txt", b"x" * 140 + b"\n"))
    async with app.run_test(size=(90, 12)) as pilot:  # 83 columns of text
        await pilot.pause()
        assert "+57 →" in app.shown[0]
        app.document.side(20)
        await pilot.pause()
        assert "col 21 +37 →" in app.shown[0]
        app.frame(work.write("b.txt", b"another\n"))
        await pilot.pause()
        assert app.shown[1].endswith("another"), "another document begins at its first column"


async def test_blame_that_a_diff_does_not_show_is_told(work: Workspace) -> None:
    app = Pane(work, work.write("a.txt", b"x\n"))
    async with app.run_test(size=(90, 12)) as pilot:
        app.document.toggle_blame()
        await pilot.pause()
        assert app.document.note == ""
        app.document.show_as("diff")
        await pilot.pause()
        assert "not in a diff" in app.document.note


async def test_a_sentence_is_not_copied(work: Workspace) -> None:
    app = Pane(work, work.write("empty", b""))
    async with app.run_test(size=(90, 12)) as pilot:
        await pilot.pause()
        assert "empty" in app.shown[2]
        assert app.document.copied() == ""


@pytest.mark.parametrize("mode", ["content", "diff", "split"])
async def test_what_is_looked_for_is_under_the_line_cursor_with_the_next_page(
    work: Workspace, mode: DocumentMode
) -> None:
    first = work.write("a.txt", numbered(300))
    second = work.write("a.txt", numbered(300, n20="other", n250="x" * 200 + " needle"))
    third = work.write("a.txt", numbered(300, n20="other"))
    app = Pane(work, first)
    async with app.run_test(size=(100, 12)) as pilot:
        app.document.show_as(mode)
        await pilot.pause()
        app.document.look_for("needle")
        app.frame(second)
        await pilot.pause()
        assert app.document.line == 250
        assert any("▸" in row and "needle" in row for row in app.shown), app.shown
        app.document.home()
        await pilot.pause()
        app.frame(second)
        assert app.document.line != 250, "only once"
        app.document.look_for("needle")
        app.frame(third)
        await pilot.pause()
        if mode == "diff":
            assert app.document.copied().startswith("-x")
