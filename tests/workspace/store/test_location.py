"""Where histories live, who may write to them, and whose they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workspace import Busy, History, NotFound, Workspace, WorkspaceError
from workspace.store.location import (
    FILE,
    LINK,
    Lock,
    check_same_place,
    default_store,
    ensure_link,
    file_system,
    find_root,
    held,
    is_network,
    last_root,
    state_directory,
    store_of,
)


def begun(root: Path, store: Path | None = None) -> Path:
    """A history of a folder; its store."""
    root.mkdir(exist_ok=True)
    with Workspace.open(root, store=store) as work:
        return work.folder


# -- places


def test_each_folder_has_a_place_of_its_own(tmp_path: Path) -> None:
    names = ["a", "b", "sub/a", "with space", "ünïcode", "x" * 200, "new\nline", os.fsdecode(b"\xff")]
    stores = [default_store(tmp_path / name) for name in names]
    assert len(set(stores)) == len(names)
    assert {store.parent for store in stores} == {state_directory()}
    assert all(store.name.isprintable() and len(os.fsencode(store.name)) < 200 for store in stores)
    assert default_store(Path("/")).name.startswith("root-")


def test_a_place_that_another_folder_took_along_is_not_given_out_again(tmp_path: Path) -> None:
    first = begun(tmp_path / "a")
    assert default_store(tmp_path / "a") == first
    (tmp_path / "a").rename(tmp_path / "b")
    begun(tmp_path / "b")
    assert last_root(first) == str(tmp_path / "b")
    second = default_store(tmp_path / "a")
    assert second.name == f"{first.name}-2"
    assert begun(tmp_path / "a") == second
    assert default_store(tmp_path / "a") == second
    assert store_of(tmp_path / "b") == first


def test_the_nearest_folder_above_with_a_history_is_the_root(tmp_path: Path) -> None:
    deep = tmp_path / "outer" / "inner" / "x" / "y"
    deep.mkdir(parents=True)
    with pytest.raises(NotFound, match="has no history yet; `wukong scan` there starts one"):
        find_root(deep)
    begun(tmp_path / "outer")
    assert find_root(deep) == tmp_path / "outer"
    begun(tmp_path / "outer" / "inner")
    assert find_root(deep) == tmp_path / "outer" / "inner"
    (tmp_path / "link").symlink_to(deep)
    assert find_root(tmp_path / "link") == tmp_path / "outer" / "inner"


# -- the link


def test_a_link_leads_to_its_store_and_returns_when_it_vanished(folder: Path) -> None:
    store = begun(folder)
    assert (folder / LINK).readlink() == store
    assert not ensure_link(folder, store)
    (folder / LINK).unlink()
    assert store_of(folder) == store
    assert ensure_link(folder, store)
    assert store_of(folder) == store


def test_a_relative_link_is_followed_from_its_folder(folder: Path, tmp_path: Path) -> None:
    begun(folder, tmp_path / "store")
    (folder / LINK).unlink()
    (folder / LINK).symlink_to("../store")
    found = store_of(folder)
    assert found is not None
    assert found.resolve() == tmp_path / "store"


def test_something_else_of_that_name_is_left_alone(folder: Path) -> None:
    (folder / LINK).write_text("mine\n")
    store = begun(folder)
    assert (folder / LINK).read_text() == "mine\n"
    assert store_of(folder) == store
    with History.open(folder) as past:
        assert past.cursor == 0


def test_a_link_to_nothing_is_an_error_and_not_a_new_history(folder: Path, tmp_path: Path) -> None:
    (folder / LINK).symlink_to(tmp_path / "gone")
    for look in (store_of, find_root, Workspace.open, History.open):
        with pytest.raises(NotFound, match="which is not there: bring that back, or remove"):
            look(folder)
    assert not state_directory().exists()


def test_a_link_to_nothing_yields_to_a_history_in_its_own_place(folder: Path, tmp_path: Path) -> None:
    store = begun(folder)
    (folder / LINK).unlink()
    (folder / LINK).symlink_to(tmp_path / "gone")
    assert store_of(folder) == store
    assert begun(folder) == store
    assert (folder / LINK).readlink() == store


# -- whose it is


def test_a_copy_is_refused_and_a_moved_folder_is_welcome(tmp_path: Path) -> None:
    original, other = tmp_path / "original", tmp_path / "other"
    store = begun(original)
    other.mkdir()
    (other / LINK).symlink_to(store)
    for opened in (Workspace.open, History.open):
        with pytest.raises(WorkspaceError, match=r"is a copy of .*original, whose history this is"):
            opened(other)
    (original / LINK).unlink()
    original.rmdir()
    assert begun(other) == store
    assert last_root(store) == str(other)


def test_an_original_that_has_another_history_by_now_does_not_hold_its_old_one(tmp_path: Path) -> None:
    store = begun(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    begun(tmp_path / "a", tmp_path / "new store")
    assert begun(tmp_path / "b") == store


def test_a_history_is_not_taken_for_that_of_a_part_or_the_whole(tmp_path: Path) -> None:
    store = begun(tmp_path / "a", tmp_path / "store")
    (tmp_path / "a" / LINK).unlink()
    (tmp_path / "a" / "part").mkdir()
    for root in (tmp_path / "a" / "part", tmp_path):
        with pytest.raises(WorkspaceError, match=r"holds the history of .*a, not of"):
            Workspace.open(root, store=store)
        with pytest.raises(WorkspaceError, match="holds the history of"):
            check_same_place(root, store, str(tmp_path / "a"))
    check_same_place(tmp_path / "a", store, str(tmp_path / "a"))
    check_same_place(tmp_path / "elsewhere", store, str(tmp_path / "gone"))
    check_same_place(tmp_path / "elsewhere", store, None)


def test_the_last_folder_of_a_store_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert last_root(tmp_path) is None
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    assert last_root(tmp_path) is None


# -- the lock


def test_one_process_at_a_time_may_write_and_is_named(tmp_path: Path) -> None:
    assert not held(tmp_path)
    lock = Lock(tmp_path)
    assert held(tmp_path)
    with pytest.raises(Busy, match=f"Process {os.getpid()} is writing"):
        Lock(tmp_path, wait=0)
    lock.release()
    assert not held(tmp_path)
    Lock(tmp_path, wait=0).release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from workspace.store.location import Lock\n"
        f"lock = Lock(pathlib.Path({str(tmp_path)!r})); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(Busy, match=f"Process {process.pid} is writing"):
        Lock(tmp_path, wait=0)
    process.kill()
    process.communicate()
    Lock(tmp_path, wait=0).release()


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="cannot be written: Not a directory"):
        Lock(tmp_path / "file" / "store")


def test_looking_whether_a_lock_is_held_takes_nothing(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    before = (tmp_path / "lock").read_bytes()
    assert held(tmp_path)
    assert (tmp_path / "lock").read_bytes() == before == str(os.getpid()).encode()
    lock.release()


# -- file systems


def test_the_file_system_of_a_folder_is_named(tmp_path: Path) -> None:
    assert file_system(Path("/proc")) in ("proc", "unknown")
    assert file_system(tmp_path).isprintable()
    assert file_system(tmp_path / "not there yet") == file_system(tmp_path)
    assert not is_network(Path("/proc"))
