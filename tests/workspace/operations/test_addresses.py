"""Addresses: what each form names, at which moment, and what is said of those that name nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workspace import Act, History, NotFound, Workspace, WorkspaceError
from workspace.operations.addresses import at_time, operation_of, parse_time, resolve, workspace_path

NOON = datetime(2020, 11, 20, 12, 0, 0)
"""A local time at which every test here takes place."""


def moment(text: str) -> datetime:
    return datetime.fromtimestamp(parse_time(text, NOON.timestamp()))


@pytest.fixture
def past(folder: Path) -> Iterator[History]:
    """Acts at 9:00, 10:00 and 11:00; the document a is renamed to sub/b by the last."""
    hours = [int((NOON + timedelta(hours=h)).timestamp() * 1e6) for h in (-3, -2, -1)]
    with Workspace.open(folder) as work:
        work.write("a", b"1\n", act=Act(at=hours[0]))
        work.write("a", b"2\n", act=Act(at=hours[1]))
        work.write("c", b"c\n", act=Act(at=hours[1]))
        work.fork("trial", act=Act(at=hours[1]))
        work.move("a", "sub/b", act=Act(at=hours[2]))
    with History.open(folder) as history:
        yield history


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOON),
        ("10s ago", NOON - timedelta(seconds=10)),
        ("10 sec ago", NOON - timedelta(seconds=10)),
        ("1 second ago", NOON - timedelta(seconds=1)),
        ("10m ago", NOON - timedelta(minutes=10)),
        ("90 minutes ago", NOON - timedelta(minutes=90)),
        ("2h ago", NOON - timedelta(hours=2)),
        ("1 hour ago", NOON - timedelta(hours=1)),
        ("3d ago", NOON - timedelta(days=3)),
        ("2 weeks ago", NOON - timedelta(weeks=2)),
        (" 10m ago ", NOON - timedelta(minutes=10)),
        ("today", datetime(2020, 11, 20)),
        ("yesterday", datetime(2020, 11, 19)),
        ("2020-11-18", datetime(2020, 11, 18)),
        ("2020-11-18T09:30:00.5", datetime(2020, 11, 18, 9, 30, 0, 500_000)),
        ("2020-11-18T09:30:00.000000", datetime(2020, 11, 18, 9, 30)),
    ],
)
def test_times_a_person_writes(text: str, expected: datetime) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("11:59", datetime(2020, 11, 20, 11, 59, 0)),
        ("9:05:07", datetime(2020, 11, 20, 9, 5, 7)),
        ("12:00", datetime(2020, 11, 20, 12, 0, 0)),
        ("12:01", datetime(2020, 11, 19, 12, 1, 0)),
        ("23:59:59", datetime(2020, 11, 19, 23, 59, 59)),
        ("2020-11-18 09:30", datetime(2020, 11, 18, 9, 30, 0)),
        ("2020-11-18T09:30:05", datetime(2020, 11, 18, 9, 30, 5)),
    ],
)
def test_a_second_that_is_named_is_meant_to_its_end_and_a_time_of_day_lies_in_the_past(
    text: str, second: datetime
) -> None:
    assert moment(text).replace(microsecond=0) == second
    assert moment(text).microsecond >= 999_998


def test_a_time_with_a_zone_is_that_moment_everywhere() -> None:
    assert parse_time("1970-01-01T00:00:10.000000Z", 0) == 10
    assert parse_time("1970-01-01T02:00:10.000000+02:00", 0) == 10


@pytest.mark.parametrize(
    "text",
    ["", "soon", "24:00", "12:60", "12:00:60", "-1", "10 ago", "10m", "m ago", "10x ago", "2020-13-01", "0001-01-01",
     "٣m ago", "1" * 5000 + "s ago", "10m  ago now", "99999-01-01"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(WorkspaceError, match=r"no time"):
        parse_time(text, NOON.timestamp())


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(WorkspaceError):
        assert isinstance(parse_time(text, NOON.timestamp()), float)


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))
def test_a_moment_to_the_microsecond_finds_its_own_entry(microseconds: int) -> None:
    text = (datetime(1970, 1, 1) + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert round(parse_time(text, 0) * 1e6) == microseconds


# -- what each form names


@pytest.mark.parametrize(
    ("text", "path", "cursor", "version", "numbered"),
    [
        ("c", "c", 5, 1, False),
        ("sub/b", "sub/b", 5, 3, False),
        ("./sub//b", "sub/b", 5, 3, False),
        ("sub/../c", "c", 5, 1, False),
        ("path:c", "c", 5, 1, False),
        ("sub", "sub", 5, None, False),
        ("sub/", "sub", 5, None, False),
        ("", None, 5, None, False),
        (".", None, 5, None, False),
        ("sub/b@2", "sub/b", 2, 2, True),
        ("a@2", "a", 2, 2, True),
        ("sub/b@-1", "sub/b", 2, 2, True),
        ("sub/b@-2", "sub/b", 1, 1, True),
        ("a@{9:30}", "a", 1, 1, False),
        ("a@{10:30}", "a", 4, 2, False),
        ("a@{op:1}", "a", 1, 1, False),
        ("sub/b@{11:30}", "sub/b", 5, 3, False),
        ("a@{2h ago}", "a", 4, 2, False),
        ("c@{9:30}", "c", 1, None, False),
        ("@{9:30}", None, 1, None, False),
        ("@{now}", None, 5, None, False),
        ("@{op:2}", None, 2, None, False),
        ("@{op:2^}", None, 1, None, False),
        ("op:2", None, 2, None, False),
        ("op:2^", None, 1, None, False),
        ("op:1^", None, 0, None, False),
        ("branch:trial", None, 5, None, False),
        ("branch:trial:a", "a", 5, 2, True),
        ("branch:main:sub/b", "sub/b", 5, 3, True),
    ],
)
def test_what_an_address_names(
    past: History, text: str, path: str | None, cursor: int, version: int | None, numbered: bool
) -> None:
    found = resolve(past, text, now=NOON.timestamp())
    assert (found.path, found.cursor, found.numbered) == (path, cursor, numbered)
    assert (found.version.number if found.version else None) == version
    assert found.operation == (2 if text == "op:2" else None)
    assert (found.branch is not None) == (text == "branch:trial")


def test_a_long_operation_is_named_by_any_of_its_entries(folder: Path) -> None:
    with Workspace.open(folder) as work:
        begun = work.begin(Act(kind="run", name="make"))
        work.write("a", b"1\n")
        (folder / "b").write_text("made\n")
        work.end(begun, captured=True)
        for text in ("op:1", "op:3"):
            found = resolve(work, text)
            assert (found.operation, found.cursor) == (1, 3)
            assert resolve(work, f"{text}^").cursor == 0
        assert operation_of(work, "2").id == 2


def test_a_moment_between_entries_of_one_microsecond_is_after_all_of_them(folder: Path) -> None:
    at = int(NOON.timestamp() * 1e6)
    with Workspace.open(folder) as work:
        for number in range(3):
            work.record(Act(kind="note", name=f"{number}", at=at))
        assert at_time(work, "12:00", NOON.timestamp()) == 3
        with pytest.raises(NotFound, match="the history begins at 2020-11-20 12:00:00"):
            at_time(work, "11:59", NOON.timestamp())


def test_an_empty_history_has_no_moments(folder: Path) -> None:
    with Workspace.open(folder) as work:
        with pytest.raises(NotFound, match="begins at never"):
            resolve(work, "@{now}")
        with pytest.raises(NotFound, match="There is no op:1; the newest is op:0"):
            resolve(work, "op:1")
        assert resolve(work, "branch:main").cursor == 0


def test_a_name_that_looks_like_an_address_is_a_document_where_that_is_clear(folder: Path) -> None:
    names = ["x@1", "y", "y@1", "@{now}", "@2", "op", "z@{1}", "w@-1"]
    with Workspace.open(folder) as work:
        for name in names:
            work.write(name, name.encode())
        for name in ("x@1", "@{now}", "@2", "op", "z@{1}", "w@-1"):
            assert resolve(work, name).path == name
        with pytest.raises(WorkspaceError, match="y@1 is a document, and y is one too: write path:y@1 for the first"):
            resolve(work, "y@1")
        assert resolve(work, "path:y@1").path == "y@1"
        assert resolve(work, "y@1@1").path == "y@1"


def test_a_document_that_was_deleted_and_came_back_is_one_document(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", b"1\n")
        work.delete("a")
        gone = resolve(work, "a")
        assert gone.version is not None
        assert not gone.version.exists
        work.write("a", b"2\n")
        found = resolve(work, "a")
        assert found.version is not None
        assert (found.version.document, found.version.number) == (gone.version.document, 3)
        assert resolve(work, "a@1").version == work.version("a", 1)


def test_the_parent_of_a_merge_is_ours(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", b"one\ntwo\nthree\n")
        (folder / "a").write_bytes(b"ONE\ntwo\nthree\n")
        merged = work.write("a", b"one\ntwo\nTHREE\n", read=1)
        assert resolve(work, "a@-1").version == work.version("a", merged.parent or 0)


# -- paths


@pytest.mark.parametrize(
    ("here", "text", "path"),
    [
        ("", "a", "a"),
        ("", "./a/", "a"),
        ("", ".", ""),
        ("sub", "a", "sub/a"),
        ("sub", "../a", "a"),
        ("sub", "..", ""),
        ("sub", ".", "sub"),
        ("sub", "../sub/../a//b", "a/b"),
        ("sub", "/w/a", "a"),
        ("sub", "/w", ""),
        ("", "name with\nnewline", "name with\nnewline"),
        ("", "\udcff", "\udcff"),
    ],
)
def test_paths_start_where_one_is(here: str, text: str, path: str) -> None:
    assert workspace_path(Path("/w"), Path("/w") / here, text) == path


@pytest.mark.parametrize(
    ("here", "text"), [("", ".."), ("", "../a"), ("sub", "../../a"), ("", "/a"), ("", "/wall"), ("", "/")]
)
def test_paths_outside_are_refused(here: str, text: str) -> None:
    with pytest.raises(NotFound, match="is not inside /w"):
        workspace_path(Path("/w"), Path("/w") / here, text)


def test_the_whole_file_system_can_be_a_workspace() -> None:
    assert workspace_path(Path("/"), Path("/"), "a") == "a"
    assert workspace_path(Path("/"), Path("/a"), "b") == "a/b"
    assert workspace_path(Path("/"), Path("/a"), "..") == ""


def test_a_way_through_a_link_leads_inside(tmp_path: Path) -> None:
    real = tmp_path.resolve() / "real"
    (real / "sub").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    assert workspace_path(real, tmp_path, "link/sub/a") == "sub/a"
    (real / "pointer").symlink_to("/etc")
    assert workspace_path(real, real, "pointer") == "pointer"
