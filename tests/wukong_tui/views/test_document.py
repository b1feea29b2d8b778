"""Pages of documents from real histories: what a step shows, where it scrolls, what stands in for text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from widgets.document import DocumentMode, DocumentNeed, DocumentPage, text_width
from workspace import Act, History, Version, Workspace
from workspace.store.lines import split
from wukong_tui.views import Look
from wukong_tui.views.colours import Colours
from wukong_tui.views.document import DocumentView
from wukong_tui.views.linemap import BLOCK, LineMap, piece

NOW = 2_000_000_000_000_000


@pytest.fixture
def work(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder) as work:
        yield work


class Walker:
    """Loads one page after another as the pane does."""

    def __init__(self, history: History, document: int, width: int = 80, height: int = 12) -> None:
        self.view = DocumentView()
        self.history = history
        self.document = document
        self.need = DocumentNeed(width, height)

    def at(self, version: Version, **changes: object) -> DocumentPage:
        self.need = replace(self.need, **changes)  # type: ignore[arg-type]
        look = Look(version.entry, self.history.cursor, False, None, self.document, version.branch, NOW)
        page = self.view.load(self.history, look, self.need)
        self.need = replace(self.need, top=page.top, row=page.row, shown=page.shown)
        return page


def text_of(page: DocumentPage) -> list[str]:
    shown = []
    for row in page.rows:
        text = row.new_text or row.old_text
        shown.append("".join(part for part, _ in text.spans) if text else f"⋯{row.folded}")
    return shown


def numbered(count: int, **changed: str) -> bytes:
    lines = [f"line {n}" for n in range(count)]
    for key, text in changed.items():
        lines[int(key[1:])] = text
    return ("\n".join(lines) + "\n").encode()


def test_shows_the_version_at_the_cursor_and_marks_what_it_changed(work: Workspace) -> None:
    first = work.write("a.txt", numbered(5))
    second = work.write("a.txt", numbered(5, n2="changed"))
    third = work.write("a.txt", b"line 0\nnew\nline 1\n" + b"".join(split(numbered(5, n2="changed"))[2:4]))
    walker = Walker(work, first.document)
    assert text_of(walker.at(first)) == [f"line {n}" for n in range(5)]
    page = walker.at(second)
    assert (page.path, page.number, page.newest, page.total) == ("a.txt", 2, 3, 5)
    assert [row.sign for row in page.rows] == [" ", " ", "~", " ", " "]
    assert [row.sign for row in walker.at(third).rows] == [" ", "+", " ", " ", "-"]  # what is gone shows on the last


def test_a_step_scrolls_to_the_change_only_where_none_is_in_view(work: Workspace) -> None:
    versions = [work.write("a.txt", numbered(200, **{f"n{n}": f"now {n}"})) for n in (0, 3, 5, 120, 122, 199)]
    # every write also puts the line of the one before back: two hunks, of which one may be in view
    walker = Walker(work, versions[0].document)
    assert [walker.at(version).top for version in versions] == [0, 0, 0, 0, 116, 116]
    page = walker.at(versions[3])
    assert page.top == 116  # the change of 120 is in view
    assert page.row in range(116, 128)


def test_the_line_cursor_stays_on_its_line_and_the_window_where_the_person_put_it(work: Workspace) -> None:
    versions = [work.write("a.txt", numbered(100, **{f"n{n}": f"step {n}"})) for n in range(50, 55)]
    walker = Walker(work, versions[0].document)
    walker.at(versions[0])
    walker.need = replace(walker.need, top=45, row=48, line=48)
    for version in versions[1:]:
        page = walker.at(version)
        assert (page.top, page.row) == (45, 48)
    assert walker.at(versions[4], top=0, row=3, line=3).top == 0  # scrolled by hand: the same version stays


def test_a_diff_has_context_folded_gaps_and_both_numbers(work: Workspace) -> None:
    work.write("a.txt", numbered(60))
    version = work.write("a.txt", numbered(60, n10="ten", n40="forty"))
    page = Walker(work, version.document, height=40).at(version, mode="diff")
    assert text_of(page) == [
        "⋯7", "line 7", "line 8", "line 9", "line 10", "ten", "line 11", "line 12", "line 13",
        "⋯23", "line 37", "line 38", "line 39", "line 40", "forty", "line 41", "line 42", "line 43", "⋯16",
    ]  # fmt: skip
    assert [(row.old, row.new) for row in page.rows[3:6]] == [(9, 9), (10, None), (None, 10)]
    assert page.numbers[page.row] == 10  # the cursor stands on the first line that is new


def test_both_sides_stand_beside_each_other_with_marked_words(work: Workspace) -> None:
    work.write("a.txt", b"the quick office writes\nsame\n")
    version = work.write("a.txt", b"the slow office writes\nsame\nmore\n")
    page = Walker(work, version.document, width=120).at(version, mode="split")
    assert [(row.sign, row.old, row.new) for row in page.rows] == [("~", 0, 0), (" ", 1, 1), ("+", None, 2)]
    first = page.rows[0]
    assert first.old_text
    assert first.new_text
    assert [part for part, style in first.old_text.spans if "word" in style] == ["quick"]
    assert [part for part, style in first.new_text.spans if "word" in style] == ["slow"]


def test_changing_the_mode_keeps_the_line(work: Workspace) -> None:
    work.write("a.txt", numbered(300))
    version = work.write("a.txt", numbered(300, n150="changed"))
    walker = Walker(work, version.document)
    content = walker.at(version)
    assert content.row == 150
    diff = walker.at(version, mode="diff", line=content.row)
    assert diff.numbers[diff.row - diff.top] == 150
    back = walker.at(version, mode="content", line=150)
    assert back.row == 150
    assert back.top <= 150 < back.top + len(back.rows)


@pytest.mark.parametrize("mode", ["content", "diff", "split"])
def test_what_is_no_text_is_told_in_a_sentence(work: Workspace, mode: DocumentMode) -> None:
    (work.root / "link").symlink_to("target")
    work.scan()
    link = work.find("link")
    assert link is not None
    empty = work.write("empty", b"")
    work.write("bin", b"\0" * 12_000)
    binary = work.write("bin", b"\0" * 12_345)
    work.write("gone", b"text\n")
    gone = work.delete("gone")
    late = work.write("late", b"x\n")
    said = {v.path: Walker(work, v.document).at(v, mode=mode).sentence for v in (link, empty, binary, gone)}
    assert said["empty"] == "empty"
    assert said["bin"].startswith(
        "binary, 12,345 bytes, SHA-256 " if mode == "content" else "binary, 12,000 bytes → "
    )
    if mode == "content":
        assert said["link"] == "link → target"
        assert said["gone"] == "Deleted in version 2; the version before still has its content."
    look = Look(binary.entry, work.cursor, False, None, late.document, 1, NOW)
    page = DocumentView().load(work, look, DocumentNeed(80, 20))
    assert (page.path, page.sentence) == ("late", f"Not there yet: it starts at op {late.operation}.")
    assert DocumentView().load(work, replace(look, document=None), DocumentNeed(80, 20)).sentence


def test_a_deleted_document_has_a_diff_of_all_its_lines(work: Workspace) -> None:
    work.write("gone", b"one\ntwo\n")
    gone = work.delete("gone")
    assert [row.sign for row in Walker(work, gone.document).at(gone, mode="diff").rows] == ["-", "-"]


def test_damaged_content_is_never_shown_as_text(work: Workspace) -> None:
    version = work.write("a.txt", numbered(50))
    work.store.db.execute("UPDATE content SET data = zeroblob(20) WHERE id = ?", (version.content,))
    work.store.contents.clear_cache()
    page = Walker(work, version.document).at(version)
    assert page.rows == ()
    assert "wukong verify" in page.sentence
    assert page.path == "a.txt"


def test_tells_which_operation_made_the_version(work: Workspace) -> None:
    work.write("a.txt", b"one\n")
    program = work.begin(Act(kind="program", name="book.py", actor="agent"))
    act = Act(kind="capability", name="edit a.txt", actor="agent", parent=program)
    version = work.write("a.txt", b"two\n", act=act)
    work.end(program, outcome="done")
    cause = Walker(work, version.document).at(version).cause
    assert cause == f"op {version.operation} edit a.txt +1 −1 · agent · program book.py"


def test_long_lines_are_cropped_before_anything_is_made_of_them(work: Workspace) -> None:
    line = "漢".encode() * 50_000 + b"x" * 3_000_000
    work.write("a.txt", line)
    version = work.write("a.txt", line[:-20] + b"y" + line[-19:])
    walker = Walker(work, version.document, width=60)
    width = text_width(walker.need, 3)
    for left in (0, 1, 1_999, 2_001, 2_002, 149_000, len(line) - 40):
        for mode in ("content", "diff"):
            page = walker.at(version, left=left, mode=mode)
            for row in page.rows:
                text = row.new_text or row.old_text
                assert text
                assert sum(cell_len(part) for part, _ in text.spans) <= width
                assert not any("�" in part or "\\x" in part for part, _ in text.spans)
    marked = [part for part, style in page.rows[1].new_text.spans if "word" in style]  # type: ignore[union-attr]
    assert marked == ["y"]


def test_lines_are_found_in_any_content() -> None:
    random.seed(5)
    for _ in range(60):
        content = b"".join(
            random.choice((b"", b"x", b"y" * random.randrange(BLOCK // 2), b"\r")) + b"\n"
            for _ in range(random.randrange(12))
        ) + random.choice((b"", b"end"))
        wanted = [line.removesuffix(b"\n") for line in split(content)]
        lines = LineMap(content)
        assert lines.lines == len(wanted)
        first = random.randrange(len(wanted) + 1)
        assert [content[a:b] for a, b in lines.ranges(first, 99)] == wanted[first:]


def test_a_piece_never_begins_or_ends_inside_a_character() -> None:
    content = "é漢🎉".encode() * 2_000
    for left in range(1_990, 2_040):
        cut = piece(content, 0, len(content), left, 30)
        assert not any("\udc80" <= character <= "\udcff" for character in cut.text)


def test_colours_are_the_same_whether_kept_or_made_anew() -> None:
    random.seed(7)
    lines = [
        "def f():",
        '    """Say',
        "    it.",
        '    """',
        "    return 1  # one",
        "",
        "x = 'a'",
        "class A: pass",
    ] * 8
    kept = Colours()
    for _ in range(200):
        at = random.randrange(len(lines))
        match random.randrange(3):
            case 0:
                lines[at] = random.choice(["y = 2", "# note", "    if y: return 'x'"])
            case 1:
                lines.insert(at, "z = 3")
            case _:
                lines[at] = random.choice(['"""', "import os"])
        assert kept.of(lines, "python") == Colours().of(lines, "python")
