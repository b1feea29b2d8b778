"""The blame column: who made each line on screen, found in slices, carried along while stepping."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.labels import short_name
from workspace import Act, History, Version, Workspace
from wukong_tui.views import Look
from wukong_tui.views.blame import BlameView, age

SECOND = 1_000_000


def load(view: BlameView, history: History, version: Version, top: int = 0, height: int = 10) -> tuple[str, ...]:
    """The column once all of it is known, looked at two seconds after the newest operation."""
    now = history.operation(history.cursor).started + 2 * SECOND
    look = Look(history.cursor, history.cursor, True, None, version.document, history.branch.id, now)
    column = view.load(history, look, version, top, height)
    while view.pending:
        column = view.load(history, look, version, top, height)
    return column


def test_the_column_names_version_actor_and_age(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a.txt", b"a\nb\nc\n", act=Act(actor="Ada <a@b>"))
        last = work.write("a.txt", b"a\nB\nc\n", act=Act(actor="agent"))
        view = BlameView()
        assert [text.rsplit(" ", 1)[0] for text in load(view, work, last)] == ["@1 Ada", "@2 agent", "@1 Ada"]
        assert load(view, work, last)[1] == "@2 agent 2\u00a0s"
        assert load(view, work, last, top=1, height=1) == ("@2 agent 2\u00a0s",)
        assert load(view, work, last, top=9) == ()


def test_binary_and_deleted_documents_have_no_column(folder: Path) -> None:
    with Workspace.open(folder) as work:
        assert load(BlameView(), work, work.write("a", b"\0\1\n")) == ()
        assert load(BlameView(), work, work.delete("a")) == ()


def test_stepping_and_jumping_give_what_a_fresh_look_gives(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        rows = [f"row {number}" for number in range(12)]
        made = []
        for number in range(120):
            rows[number * 7 % 12] = f"edit {number // 2}"
            made.append(work.write("a.txt", "\n".join(rows).encode()))
        view = BlameView()
        for at in (119, 118, 117, 90, 91, 95, 60, 59, 0, 1, 119, 118):
            assert load(view, work, made[at]) == load(BlameView(), work, made[at])


def test_what_is_remembered_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wukong_tui.views.blame.KEPT", 1000)
    with Workspace.open(folder) as work, work.batch():
        view = BlameView()
        for number in range(30):
            version = work.write("a.txt", b"a\n" * 100 + b"%d\n" % number)
            assert load(view, work, version, top=100)[0].startswith(f"@{number + 1} ")
        assert len(view._known) <= 7


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7200, "2 h"),
        (86_400 * 3, "3 d"),
        (86_400 * 70, "2 mo"),
        (1 << 27, "4 y"),
    ],
)
def test_ages_are_told_in_their_largest_unit(seconds: int, text: str) -> None:
    assert age(seconds * SECOND) == text


def test_addresses_of_authors_are_left_out() -> None:
    assert [short_name(name) for name in ("Ada <a@b>", "ann", None, "")] == ["Ada", "ann", "", ""]
