"""Where the program works, and where it keeps the history."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import WUKONG, Done, done, on_terminal, refusal, run
from workspace.store.location import default_store, state_directory


@pytest.fixture
def kept(folder: Path, wukong: Call) -> Path:
    """A folder with a history of one document."""
    (folder / "a").write_text("1\n")
    assert wukong("scan").status == 0
    return folder


def test_the_installed_program_and_its_short_name_are_the_same(kept: Path) -> None:
    for name in ("wukong", "wk"):
        program = Path(sys.executable).with_name(name)
        if not program.exists():
            pytest.skip("the package is not installed")
        assert subprocess.run([program, "show", "a"], cwd=kept, capture_output=True, check=True).stdout == b"1\n"


def test_minus_c_works_elsewhere(wukong: Call, kept: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert wukong("-C", "../work", "show", "a", at=elsewhere).out == b"1\n"
    assert wukong("-C", str(kept), "show", "a", at=elsewhere).out == b"1\n"


@pytest.mark.parametrize("command", ["scan", "status", "log", "diff", "undo", "verify", "doctor"])
def test_minus_c_must_be_a_folder(wukong: Call, kept: Path, command: str) -> None:
    assert refusal(wukong("-C", "nope", command)) == f"There is no folder {kept / 'nope'}."
    assert refusal(wukong("-C", "a", command)) == f"There is no folder {kept / 'a'}."
    assert not (kept / "nope").exists()


def test_a_current_folder_that_was_removed_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); from wukong_tui.cli import main; main()"
    for command in ("status", "scan", "doctor"):
        gone.mkdir(exist_ok=True)
        result = subprocess.run([sys.executable, "-c", script, command], capture_output=True, check=False)
        said = refusal(Done(result.returncode, result.stdout, result.stderr))
        assert said == "The current folder does not exist any more."


def test_a_history_is_found_from_any_folder_below(wukong: Call, kept: Path) -> None:
    below = kept / "x" / "y"
    below.mkdir(parents=True)
    (below / "b").write_text("2\n")
    assert wukong("scan", at=below).text.splitlines()[0] == "  create x/y/b@1  +1 −0"
    assert wukong("show", "b", at=below).out == b"2\n"


def test_the_history_lies_outside_and_only_its_owner_may_read_it(kept: Path) -> None:
    link = kept / ".wukong"
    assert link.is_symlink()
    store = link.readlink()
    assert store == default_store(kept)
    assert store.parent == state_directory()
    assert store.stat().st_mode & 0o777 == 0o700
    assert (store / "workspace.db").stat().st_mode & 0o777 == 0o600


def test_a_vanished_link_returns(wukong: Call, kept: Path) -> None:
    (kept / ".wukong").unlink()
    assert wukong("show", "a").out == b"1\n"
    assert wukong("scan").text == "Nothing had changed.\n"
    assert (kept / ".wukong").readlink() == default_store(kept)


def test_store_keeps_the_history_elsewhere_and_is_remembered(wukong: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "a").write_text("1\n")
    store = tmp_path / "elsewhere"
    assert f"The history is in {store}." in wukong("--store", str(store), "scan").text
    assert not state_directory().exists()
    assert wukong("show", "a").out == b"1\n"
    below = folder / "below"
    below.mkdir()
    for where in (folder, below):
        assert wukong("--store", "../elsewhere" if where == folder else str(store), "status", at=where).status == 0
    assert wukong("--store", str(store), "scan", at=below).text == "Nothing had changed.\n"


def test_a_store_that_is_not_there_is_one_sentence(wukong: Call, kept: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    said = refusal(wukong("--store", str(missing), "log"))
    assert said == f"There is no history in {missing}; `wukong scan` starts one."
    assert not missing.exists()
    assert "a: " not in refusal(wukong("--store", str(kept / "a"), "log"))
    refusal(wukong("--store", str(kept / "a"), "scan"))
    refusal(wukong("--store", str(kept / "a" / "b"), "scan"))


def test_a_link_to_a_store_that_is_gone_begins_nothing_anew(wukong: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "a").write_text("1\n")
    store = tmp_path / "drive" / "history"
    wukong("--store", str(store), "scan")
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    for command in ("scan", "log", "status", "verify"):
        assert refusal(wukong(command)) == (
            f"The history of {folder} is in {store}, which is not there: bring that back,"
            f" or remove {folder / '.wukong'} to begin anew."
        )
    assert wukong("--store", str(tmp_path / "unplugged" / "history"), "show", "a").out == b"1\n"
    (tmp_path / "unplugged").rename(tmp_path / "drive")
    assert wukong("show", "a").out == b"1\n"
    shutil.rmtree(tmp_path / "drive")
    (folder / ".wukong").unlink()
    assert wukong("scan").text.startswith("Recorded 1 file")


def test_a_copied_folder_is_refused_until_it_has_a_history_of_its_own(wukong: Call, kept: Path) -> None:
    copy = kept.parent / "copy"
    shutil.copytree(kept, copy, symlinks=True)
    (copy / "a").write_text("copied\n")
    for command in ("scan", "status", "undo", "log"):
        assert refusal(wukong(command, at=copy)) == (
            f"{copy} is a copy of {kept}, whose history this is; remove {copy / '.wukong'} and run"
            " `wukong scan` to start a history of its own."
        )
    (copy / ".wukong").unlink()
    assert wukong("scan", at=copy).text.startswith("Recorded 1 file")
    assert wukong("show", "a").out == b"1\n"
    assert wukong("log", "a").text.count("\n") == 1


def test_a_moved_folder_keeps_its_history(wukong: Call, kept: Path) -> None:
    moved = kept.parent / "moved"
    kept.rename(moved)
    assert wukong("show", "a", at=moved).out == b"1\n"
    (moved / "a").write_text("2\n")
    assert wukong("scan", at=moved).text.splitlines()[0] == "  edit   a@2  +1 −1"


def test_a_new_folder_where_a_moved_one_was_gets_a_history_of_its_own(wukong: Call, kept: Path) -> None:
    moved = kept.parent / "moved"
    kept.rename(moved)
    assert wukong("scan", at=moved).text == "Nothing had changed.\n"
    kept.mkdir()
    (kept / "b").write_text("2\n")
    assert wukong("scan").text.startswith("Recorded 1 file")
    assert refusal(wukong("log", "a")).startswith("No document was ever at a;")
    for where, name in ((moved, "a"), (kept, "b")):
        assert "Everything on disk is recorded." in wukong("status", at=where).text
        assert wukong("show", name, at=where).status == 0
        (where / ".wukong").unlink()
    assert wukong("show", "b").out == b"2\n"


def test_the_history_of_one_folder_is_not_taken_for_that_of_a_part_of_it(
    wukong: Call, folder: Path, tmp_path: Path
) -> None:
    (folder / "a").write_text("1\n")
    store = str(tmp_path / "store")
    wukong("--store", store, "scan")
    (folder / ".wukong").unlink()
    below = folder / "below"
    below.mkdir()
    for command in ("scan", "status"):
        said = refusal(wukong("--store", store, command, at=below))
        assert said == f"{store} holds the history of {folder}, not of {below}; choose another --store."
    assert wukong("--store", store, "scan").text == "Nothing had changed.\n"


def test_a_read_only_folder_can_have_a_history(wukong: Call, folder: Path) -> None:
    (folder / "a").write_text("1\n")
    folder.chmod(0o555)
    try:
        assert wukong("scan").status == 0
        assert wukong("show", "a").out == b"1\n"
    finally:
        folder.chmod(0o755)


# -- the home directory and /


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    (path / "a").write_text("1\n")
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("XDG_STATE_HOME")
    return path


def test_scanning_the_home_directory_wants_a_yes_and_begins_nothing_without(home: Path) -> None:
    for where in (home, home.parent, Path("/")):
        for more in ([], ["--json"]):
            said = refusal(run("scan", *more, cwd=where))
            assert said == f"{where} holds far more than one piece of work; add --yes to record all of it."
    assert os.listdir(home) == ["a"]
    project = home / "project"
    project.mkdir()
    assert done("scan", cwd=project).startswith("Recorded 0 files")


def test_a_home_directory_that_is_recorded_leaves_histories_out(home: Path) -> None:
    (home / "project").mkdir()
    (home / "project" / "b").write_text("2\n")
    done("scan", cwd=home / "project")
    assert done("scan", "--yes", cwd=home).startswith("Recorded 2 files, 4 bytes")
    assert done("scan", cwd=home) == "Nothing had changed.\n"


def test_at_a_terminal_the_home_directory_is_asked_about(home: Path) -> None:
    question = b"Record it? [y/N]: "
    status, screen = on_terminal(*WUKONG, "scan", cwd=home, columns=200, answers=[(question, b"\n")])
    assert status == 1
    assert screen.endswith(b"wukong: Nothing was done.\r\n")
    assert os.listdir(home) == ["a"]
    status, screen = on_terminal(*WUKONG, "scan", cwd=home, columns=200, answers=[(question, b"y\n")])
    assert status == 0
    assert b"Recorded 1 file, 2 bytes" in screen
