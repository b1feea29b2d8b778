"""Blame: every line belongs to the version that put it there, however the walk is sliced or carried along."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from workspace import Act, Edit, Version, Workspace
from workspace.operations.blame import Blame, Origin, Story, line_at, line_count
from workspace.records import REGULAR, State
from workspace.store import lines


def made(work: Workspace, *contents: bytes, path: str = "a.txt") -> list[Version]:
    return [work.write(path, content) for content in contents]


def text(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def blamed(work: Workspace, version: Version) -> list[int]:
    """Version numbers by line, from a whole walk."""
    blame = Blame(work.store.versions, version)
    assert blame.advance()
    assert blame.finished
    return [origin.version for origin in blame.origins() if origin is not None]


def forward(work: Workspace, line: Sequence[Version]) -> list[list[Origin]]:
    """The blame of each version of a line, oldest first, worked out the other way round: from the first one on."""
    out: list[list[Origin]] = []
    before, known = b"", list[Origin]()
    for version in line:
        content = work.content(version)
        now: list[Origin] = []
        at = 0
        for hunk in lines.hunks(before, content):
            now += known[at : hunk.old_start]
            now += [Origin(version.number, place) for place in range(hunk.new_start, hunk.new_end)]
            at = hunk.old_end
        known, before = [*now, *known[at:]], content
        out.append(known)
    return out


def random_history(work: Workspace, seed: int, versions: int) -> list[Version]:
    dice = random.Random(seed)
    rows = [str(dice.randrange(6)) for _ in range(8)]
    out: list[Version] = []
    while len(out) < versions:
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(rows) + 1)
            if dice.random() < 0.4 and rows:
                del rows[place : place + dice.randrange(1, 3)]
            else:
                rows[place : place + dice.randrange(3)] = [
                    str(dice.randrange(6)) for _ in range(dice.randrange(1, 4))
                ]
        version = work.write("a.txt", text(*rows))
        if not out or out[-1].number != version.number:
            out.append(version)
    return out


def test_a_line_belongs_to_the_version_that_put_it_there(folder: Path) -> None:
    with Workspace.open(folder) as work:
        *_, last = made(
            work, text("a", "b", "c"), text("a", "B", "c"), text("new", "a", "B", "c"), text("new", "a", "B")
        )
        assert blamed(work, last) == [3, 1, 2]
        blame = Blame(work.store.versions, last)
        blame.advance()
        assert blame.origin(2) == Origin(2, 1), "where the line stood in the version that made it"
        assert blame.origin(3) is None


def test_a_line_that_a_revert_brought_back_belongs_to_the_revert(folder: Path) -> None:
    with Workspace.open(folder) as work:
        _, wrong = made(work, text("a", "b"), text("a", "X"))
        (back,) = work.revert([wrong.operation])
        assert blamed(work, back) == [1, back.number]


def test_renames_and_modes_make_no_line(folder: Path) -> None:
    with Workspace.open(folder) as work:
        made(work, text("a", "b"))
        work.move("a.txt", "b.txt")
        assert blamed(work, work.set_mode("b.txt", 0o755)) == [1, 1]


def test_a_document_that_was_deleted_begins_anew(folder: Path) -> None:
    with Workspace.open(folder) as work:
        made(work, text("a", "b"))
        work.delete("a.txt")
        (last,) = made(work, text("a", "b"))
        assert blamed(work, last) == [3, 3]


@pytest.mark.parametrize("seed", range(6))
def test_blame_backwards_is_blame_forwards(folder: Path, seed: int) -> None:
    with Workspace.open(folder) as work, work.batch():
        history = random_history(work, seed, 40)
        for version, expected in zip(history, forward(work, history), strict=True):
            blame = Blame(work.store.versions, version)
            blame.advance()
            assert blame.origins() == expected


@pytest.mark.parametrize("seed", range(4))
def test_stepping_carries_everything_along_finished_or_not(folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    with Workspace.open(folder) as work, work.batch():
        history = random_history(work, seed, 40)
        expected = forward(work, history)
        at, blame = 20, Blame(work.store.versions, history[20])
        for _ in range(200):
            blame.advance(versions=dice.randrange(1, 4))
            for origin, right in zip(blame.origins(), expected[at], strict=True):
                assert origin in (None, right)
            to = min(max(0, at + dice.choice((-1, 1))), len(history) - 1)
            if to != at:
                at, blame = to, blame.moved(history[to])
        blame.advance()
        assert blame.origins() == expected[at]
        with pytest.raises(ValueError, match="no neighbour"):
            blame.moved(history[(at + 7) % 40])


def test_a_window_is_known_before_the_rest(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        rows = [str(row) for row in range(10)]
        for number in range(50):
            rows[5 + number % 5] = f"edit {number}"
            last = work.write("a.txt", text(*rows))
        blame = Blame(work.store.versions, last)
        assert blame.advance(5, 10)
        assert [origin and origin.version for origin in blame.origins(5, 10)] == [46, 47, 48, 49, 50]
        assert blame.origin(0) is None
        assert not blame.finished
        assert blame.advance(0, 5)
        assert blame.finished


def test_slices_end_after_as_many_versions_as_asked(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for number in range(20):
            last = work.write("a.txt", text("first", str(number)))
        blame = Blame(work.store.versions, last)
        slices = 1
        while not blame.advance(versions=3):
            slices += 1
        assert slices == 7


def test_lines_of_a_merge_belong_to_the_side_they_came_from(folder: Path) -> None:
    with Workspace.open(folder) as work:
        base, ours = made(work, text("a", "b", "c", "d"), text("OURS", "b", "c", "d"))

        def commit(content: bytes, parent: int, merged: int | None = None) -> Version:
            state = State("a.txt", REGULAR | 0o644, work.store.contents.put(content))
            return work.commit(Act(), [Edit(base.document, "a.txt", state, parent, merged)])[0]

        theirs = commit(text("a", "b", "c", "THEIRS"), base.number)
        merge = commit(text("OURS", "fitted", "c", "THEIRS"), ours.number, theirs.number)
        assert blamed(work, merge) == [ours.number, merge.number, base.number, theirs.number]
        blame = Blame(work.store.versions, ours)
        blame.advance()
        carried = blame.moved(merge)
        carried.advance()
        assert [origin and origin.version for origin in carried.origins()] == blamed(work, merge)
        story = Story(work.store.versions, merge, 3)
        story.advance(9)
        assert [state.version.number for state in story.states] == [theirs.number, base.number]


def test_nothing_is_looked_for_in_what_has_no_lines(folder: Path) -> None:
    with Workspace.open(folder) as work:
        for content in (b"", b"\0\1\n\2"):
            (version,) = made(work, content, path=f"{len(content)}")
            blame = Blame(work.store.versions, version)
            assert blame.advance()
            assert blame.origins() == []


def test_hostile_contents_are_blamed_like_any_other(folder: Path) -> None:
    with Workspace.open(folder) as work:
        long = b"x" * 2_000_000
        *_, last = made(work, long, long + b"\n\xff\x1b[2J\r\n", b"\r\n" + long + b"\n\xff\x1b[2J\r\n")
        assert blamed(work, last) == [3, 2, 2], "the long line was given its end by the second version"


def test_a_story_tells_what_stood_in_a_lines_place(folder: Path) -> None:
    with Workspace.open(folder) as work:
        *_, last = made(
            work,
            text("a", "b"),
            text("a", "B"),
            text("top", "a", "B"),
            text("top", "a", "BB"),
            text("other", "a", "BB"),
        )
        story = Story(work.store.versions, last, 2)
        assert story.advance(99)
        assert story.finished
        assert [(state.version.number, state.line) for state in story.states] == [(4, 2), (2, 1), (1, 1)]


def test_the_story_of_a_line_that_was_put_in_begins_there(folder: Path) -> None:
    with Workspace.open(folder) as work:
        *_, last = made(work, text("a"), text("a", "b"))
        story = Story(work.store.versions, last, 1)
        story.advance(99)
        assert [state.version.number for state in story.states] == [2]


def test_the_story_goes_on_before_a_deletion(folder: Path) -> None:
    with Workspace.open(folder) as work:
        made(work, text("a", "b"), text("a", "B"))
        deleted = work.delete("a.txt")
        (back,) = work.revert([deleted.operation])
        story = Story(work.store.versions, back, 1)
        story.advance(99)
        assert [state.version.number for state in story.states] == [4, 2, 1]


def test_the_story_of_a_document_is_its_versions_and_can_be_read_in_parts(folder: Path) -> None:
    with Workspace.open(folder) as work:
        *_, last = made(work, b"1", b"2", b"3", b"4")
        story = Story(work.store.versions, last, None)
        assert story.advance(2)
        assert not story.finished
        story.advance(99)
        assert [(state.version.number, state.line) for state in story.states] == [
            (4, None),
            (3, None),
            (2, None),
            (1, None),
        ]


@pytest.mark.parametrize("content", [b"", b"a", b"a\n", b"a\nb", b"\n\n", b"a\r\nb\r\n"])
def test_single_lines_are_those_of_a_split(content: bytes) -> None:
    split = lines.split(content)
    assert line_count(content) == len(split)
    assert [line_at(content, number) for number in range(len(split) + 1)] == [*split, None]
