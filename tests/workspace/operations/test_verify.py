"""verify finds whatever was changed behind our back, and nothing wrong where nothing was."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from workspace import Act, History, Usage, Workspace, WorkspaceError
from workspace.operations.verify import PROBLEMS, Report, verify
from workspace.store.engine import connect
from workspace.store.store import FILE, Store

TRUTH = ("entry", "version", "content", "term", "path")
PROJECTIONS = ("branch", "document", "place", "coverage")
HINTS = {("content", "keyframe"), ("content", "depth"), ("content", "cost")}
"""What only says how to store the next delta: any value is right."""
DATA = ("content", "data")
"""What may differ and still decode to the same bytes; its bits are flipped one by one below."""
UNUSED = (
    "SELECT id FROM content WHERE id NOT IN (SELECT ifnull(content, 0) FROM version"
    " UNION SELECT ifnull(payload, 0) FROM entry UNION SELECT ifnull(base, 0) FROM content)"
)
"""Contents of fits that came to nothing: nobody misses them."""
KNOWLEDGE = {"meta", "disk", "pending", "working_copy", "outside"}
"""What we know of the folder and the machine; losing it costs a second look."""


@pytest.fixture
def folder_with_a_past(folder: Path) -> Path:
    """A folder in whose history every kind of act and every column occurs."""
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "ignored").write_text("x\n")
    (folder / ".env").write_text("x\n")
    (folder / "kept").write_text("one\ntwo\nthree\n")
    (folder / "link").symlink_to("kept")
    with Workspace.open(folder) as work:
        work.scan()
        long = b"".join(b"line %d\n" % n for n in range(400))
        act = Act(name="a", actor="ann", session="s", step=1, attempt=2, decision="yes", model="m", ref=b"\1\2")
        made = work.write("long", long, act=act)
        work.write("long", long.replace(b"line 7\n", b"LINE 7\n"), act=Act(parent=made.operation, detail={"k": "v"}))
        work.write("long", long.replace(b"line 9\n", b"LINE 9\n"))
        call = work.begin(Act(kind="model", model="m"), payload=b"the question\n")
        work.end(call, usage=Usage(1, 2, 3, 4, 5, 6), payload=b"the answer\n")
        work.fork("trial")
        work.move("kept", "moved")
        mode = work.set_mode("moved", 0o755)
        work.delete("link")
        (folder / "moved").write_text("one\ntwo\nthree\nfour\n")
        work.scan()
        (folder / "ignored").unlink()
        work.scan()
        (folder / "moved").write_text("ONE\ntwo\nthree\nfour\n")
        work.write("moved", b"one\ntwo\nthree\nFOUR\n", mode=0o755)  # merges with what somebody did meanwhile
        work.restore(cursor=made.operation)
        work.undo()
        work.redo()
        work.revert([mode.operation])
    with Workspace.open(folder, branch="main") as work:
        work.record(Act(kind="note", name="the end"))
    return folder


@contextmanager
def edited(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database of a folder's history, open for tampering."""
    with closing(sqlite3.connect((folder / ".wukong").readlink() / FILE, isolation_level=None)) as db:
        yield db
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def checked(folder: Path) -> Report:
    with closing(Store.open((folder / ".wukong").readlink(), read_only=True)) as store:
        return verify(store)


def keep(folder: Path) -> Callable[[], None]:
    """A way back to the history as it is now."""
    store = (folder / ".wukong").readlink()
    whole = (store / FILE).read_bytes()

    def back() -> None:
        for path in store.iterdir():
            path.unlink()
        (store / FILE).write_bytes(whole)

    return back


def test_a_sound_history_has_no_problems(folder_with_a_past: Path) -> None:
    report = checked(folder_with_a_past)
    assert report.ok, report.problems
    with edited(folder_with_a_past) as db:
        for name, count in (("entry", report.entries), ("version", report.versions), ("content", report.contents)):
            assert db.execute(f"SELECT count(*) FROM {name}").fetchone() == (count,)
        assert db.execute("SELECT count(*) FROM entry WHERE phase < 2").fetchone() == (report.operations,)


def test_an_empty_history_has_no_problems(folder: Path) -> None:
    Workspace.open(folder).close()
    assert checked(folder) == Report(0, 0, 0, 0, ())


def test_the_history_is_sound_after_every_kind_of_act(folder: Path) -> None:
    text = b"".join(b"%d\n" % n for n in range(50))

    def outside(work: Workspace) -> None:
        (folder / "a").write_bytes(text.replace(b"\n7\n", b"\nseven\n"))
        work.scan()

    def batch(work: Workspace) -> None:
        with work.batch():
            for number in range(5):
                work.write(f"{number}", b"%d" % number)

    def refused(work: Workspace) -> None:
        with pytest.raises(WorkspaceError):
            work.write("..", b"")
        with suppress(RuntimeError), work.store.transaction():
            work.write("never", b"never stored\n")
            raise RuntimeError

    acts: list[Callable[[Workspace], Any]] = [
        lambda work: work.scan(),
        lambda work: work.write("a", text),
        outside,
        lambda work: work.write("a", text.replace(b"\n40\n", b"\nforty\n"), read=1),
        lambda work: work.move("a", "b"),
        lambda work: work.move("b", "a"),
        lambda work: work.set_mode("a", 0o700),
        lambda work: work.delete("a"),
        lambda work: work.write("a", text),
        batch,
        refused,
        lambda work: work.undo(),
        lambda work: work.undo(),
        lambda work: work.redo(),
        lambda work: work.restore(cursor=4),
        lambda work: work.revert([2], consent=True),
        lambda work: work.fork("side"),
        lambda work: work.end(work.begin(Act(kind="run")), captured=True),
    ]
    with Workspace.open(folder) as work:
        for number, act in enumerate(acts):
            act(work)
            assert verify(work.store).problems == (), number
    with Workspace.open(folder, branch="side") as work:
        work.write("on the side", b"x\n")
    assert checked(folder).ok


# -- every column of every table


def test_every_table_is_truth_or_a_projection_or_knowledge(folder_with_a_past: Path) -> None:
    with edited(folder_with_a_past) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {*TRUTH, *PROJECTIONS, *KNOWLEDGE}


def test_any_changed_value_is_found(folder_with_a_past: Path) -> None:
    back = keep(folder_with_a_past)
    for table, column, row, kind in list(_values(folder_with_a_past)):
        if (table, column) in {*HINTS, DATA}:
            continue
        with edited(folder_with_a_past) as db:
            (value,) = db.execute(f"SELECT {column} FROM {table} ORDER BY 1 LIMIT 1 OFFSET ?", (row,)).fetchone()
            where = f"{column} IS ?"
            try:
                changed = db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (_other(value, kind), value))
            except sqlite3.IntegrityError:
                continue  # not even the database would have it
            assert changed.rowcount
        report = checked(folder_with_a_past)
        assert not report.ok, f"{table}.{column} was {value!r}"
        back()
    assert checked(folder_with_a_past).ok


def _values(folder: Path) -> Iterator[tuple[str, str, int, str]]:
    """Every column of every table: of its smallest, a middle and its greatest value."""
    with edited(folder) as db:
        for table in (*TRUTH, *PROJECTIONS):
            for _, column, kind, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
                for row in sorted({0, count // 2, count - 1}):
                    yield table, column, row, kind


def _other(value: Any, kind: str) -> Any:
    if kind == "INTEGER":
        return (value or 0) + 1000
    if kind == "TEXT":
        return (value or "") + "x"
    value = value or b"\0"
    return value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize("table", [*TRUTH, *PROJECTIONS])
def test_any_missing_row_is_found(folder_with_a_past: Path, table: str) -> None:
    back = keep(folder_with_a_past)
    with edited(folder_with_a_past) as db:
        (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
        first = db.execute(f"PRAGMA table_info({table})").fetchone()[1]
        keys = [c for _, c, *_, key in db.execute(f"PRAGMA table_info({table})").fetchall() if key] or [first]
        unused = {id_ for (id_,) in db.execute(UNUSED)} if table == "content" else set()
    assert count - len(unused) > 1
    for row in range(count):
        with edited(folder_with_a_past) as db:
            if table == "entry" and row == count - 1:
                continue  # that the newest entry is missing, which made no version, nothing can tell
            found = db.execute(f"SELECT {','.join(keys)} FROM {table} LIMIT 1 OFFSET ?", (row,)).fetchone()
            if found[0] in unused:
                continue
            db.execute(f"DELETE FROM {table} WHERE " + " AND ".join(f"{key} = ?" for key in keys), found)
        assert not checked(folder_with_a_past).ok, (table, found)
        back()


@pytest.mark.parametrize(
    "row",
    [
        "INSERT INTO document VALUES (900, 1)",
        "INSERT INTO place VALUES (1, 900)",
        "INSERT INTO branch VALUES (900, 'invented', 1, 1)",
        "INSERT INTO coverage VALUES (1, 1, 3, NULL, 'secret', 3)",
        "INSERT INTO version SELECT document, number + 50, branch, parent, merged, entry, change, path, mode,"
        " content, added, removed, seal FROM version LIMIT 1",
        "INSERT INTO entry SELECT id + 1, id + 1, phase, time, kind, name, actor, session, parent, branch, step,"
        " attempt, decision, outcome, model, tokens_input, tokens_output, tokens_cached, tokens_reasoning,"
        " tokens_estimated, cost, ref, payload, detail, chain FROM entry ORDER BY id DESC LIMIT 1",
    ],
)
def test_an_invented_row_is_found(folder_with_a_past: Path, row: str) -> None:
    with edited(folder_with_a_past) as db:
        db.execute(row)
    assert not checked(folder_with_a_past).ok


# -- contents


def test_every_flipped_bit_of_a_stored_content_is_found_or_changes_nothing(folder_with_a_past: Path) -> None:
    back = keep(folder_with_a_past)
    harmless = 0
    with edited(folder_with_a_past) as db:
        rows = db.execute("SELECT id, data FROM content WHERE data <> x''").fetchall()
    whole = _contents(folder_with_a_past)
    for id_, data in rows:
        for at in sorted({0, 1, 2, len(data) // 2, len(data) - 1} & set(range(len(data)))):
            with edited(folder_with_a_past) as db:
                broken = bytearray(data)
                broken[at] ^= 1 << (at + id_) % 8
                db.execute("UPDATE content SET data = ? WHERE id = ?", (bytes(broken), id_))
            if checked(folder_with_a_past).ok:
                assert _contents(folder_with_a_past) == whole
                harmless += 1
            back()
    assert harmless < len(rows)


def _contents(folder: Path) -> dict[int, bytes]:
    with closing(Store.open((folder / ".wukong").readlink(), read_only=True)) as store:
        ids = [id_ for (id_,) in store.db.execute("SELECT id FROM content").fetchall()]
        return {id_: store.contents.get(id_) for id_ in ids}


def test_damage_is_found_although_the_content_is_in_memory(folder: Path) -> None:
    with Workspace.open(folder) as work:
        made = work.write("a", b"something to remember\n")
        assert verify(work.store).ok
        with closing(connect(work.folder / FILE)) as other:
            other.execute("UPDATE content SET data = CAST(x'00' || data AS BLOB)")
        assert not verify(work.store).ok
        assert work.content(made) == b"something to remember\n"


def test_bytes_that_are_gone_are_found(folder_with_a_past: Path) -> None:
    with edited(folder_with_a_past) as db:
        db.execute("UPDATE content SET data = NULL WHERE id = 2")
    assert any("ontent 2 " in problem for problem in checked(folder_with_a_past).problems)


def test_damage_of_one_content_is_told_with_all_that_depends_on_it(folder_with_a_past: Path) -> None:
    with History.open(folder_with_a_past) as past:
        first = past.version("long", 1).content
        later = [version.content for version in past.history("long") if version.content != first]
    with edited(folder_with_a_past) as db:
        db.execute("UPDATE content SET data = substr(data, 2) WHERE id = ?", (first,))
    problems = checked(folder_with_a_past).problems
    for content in (first, *filter(None, later)):
        assert any(problem.startswith(f"Content {content} ") for problem in problems)


# -- entries and the file


def test_a_damaged_entry_is_named_and_the_others_are_not(folder_with_a_past: Path) -> None:
    with edited(folder_with_a_past) as db:
        db.execute("UPDATE entry SET name = 'forged' WHERE id = 3")
    assert checked(folder_with_a_past).problems == ("Entry 3 does not match the hash chain.",)


def test_a_deleted_entry_is_named(folder_with_a_past: Path) -> None:
    with edited(folder_with_a_past) as db:
        db.execute("DELETE FROM entry WHERE id = 3")
    assert "Entry 3 is missing." in checked(folder_with_a_past).problems


def test_a_detail_that_is_no_json_is_named_and_the_rest_is_still_checked(folder_with_a_past: Path) -> None:
    with edited(folder_with_a_past) as db:
        db.execute("UPDATE entry SET detail = 'no json' WHERE id = 3")
        db.execute("UPDATE entry SET name = 'forged' WHERE id = 5")
    problems = checked(folder_with_a_past).problems
    assert any("ntry 3 " in problem for problem in problems)
    assert "Entry 5 does not match the hash chain." in problems


def test_a_missing_page_of_any_table_is_found(folder_with_a_past: Path) -> None:
    back = keep(folder_with_a_past)
    with edited(folder_with_a_past) as db:
        known = {
            root - 1 for name, root in db.execute("SELECT tbl_name, rootpage FROM sqlite_schema") if name in KNOWLEDGE
        }
    database = (folder_with_a_past / ".wukong").readlink() / FILE
    whole = database.read_bytes()
    pages = len(whole) // 4096
    assert pages > 10
    for page in range(1, pages):  # the first holds the head: without it nothing is opened
        for junk in (bytes(4096), b"\xaa" * 4096, whole[4096 * ((page + 1) % pages) :][:4096]):
            if junk[0] in (10, 13) and page in known:
                continue  # another table's page, and no harm in that
            database.write_bytes(whole[: 4096 * page] + junk + whole[4096 * (page + 1) :])
            assert not _checked_or_refused(folder_with_a_past), page
            back()
    database.write_bytes(whole[:-4096])
    assert not _checked_or_refused(folder_with_a_past)


def _checked_or_refused(folder: Path) -> bool:
    try:
        return checked(folder).ok
    except WorkspaceError:
        return False


def test_a_lost_index_is_found(folder_with_a_past: Path) -> None:
    with edited(folder_with_a_past) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")]
    back = keep(folder_with_a_past)
    for name in names:
        with edited(folder_with_a_past) as db:
            db.execute(f"DROP INDEX {name}")
        assert not checked(folder_with_a_past).ok, name
        back()


def test_very_many_problems_are_counted_and_some_are_told(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for number in range(PROBLEMS + 50):
            work.record(Act(kind="note", name=f"{number}"))
    with edited(folder) as db:
        db.execute("UPDATE entry SET name = name || 'x'")
    report = checked(folder)
    assert len(report.problems) == PROBLEMS
    assert report.entries == PROBLEMS + 50


def test_verify_tells_how_far_it_is_and_writes_nothing(folder_with_a_past: Path) -> None:
    store = (folder_with_a_past / ".wukong").readlink()
    before = (store / FILE).read_bytes()
    steps: list[tuple[int, int]] = []
    with History.open(folder_with_a_past) as past:
        total = verify(past.store, lambda done, all_: steps.append((done, all_))).contents
    assert steps[-1] == (total, total)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(steps))
    assert (store / FILE).read_bytes() == before


def test_a_history_that_was_copied_elsewhere_is_as_sound(folder_with_a_past: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree((folder_with_a_past / ".wukong").readlink(), copy)
    os.remove(copy / "lock")
    with closing(Store.open(copy, read_only=True)) as store:
        assert verify(store).ok
