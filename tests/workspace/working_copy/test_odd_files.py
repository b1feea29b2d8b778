"""Any bytes under any name come back as they were; what is left out by rule is shown, and can be named."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workspace import History, Workspace, WorkspaceError
from workspace.operations.verify import verify
from workspace.records import to_path

CONTENTS = {
    "empty": b"",
    "one byte": b"\0",
    "NULs": bytes(10_000),
    "NUL in text": b"one\0two\nthree\n",
    "binary": Random(1).randbytes(50_000),
    "invalid UTF-8": b"caf\xe9 \xff\xfe \xed\xa0\x80\n\xc3",
    "UTF-16": "\ufeffline one\nline two \U0001f412\n".encode("utf-16-le"),
    "UTF-16 with odd length": "line\n".encode("utf-16-be") + b"\0",
    "CRLF": b"one\r\ntwo\r\n\r\nthree\r\n",
    "CR": b"one\rtwo\rthree\r",
    "mixed line ends": b"one\r\ntwo\nthree\rfour\x0bfive\x0csix\x85\n\n",
    "no final newline": b"one\ntwo",
    "only newlines": b"\n\n\n\n",
    "blanks at the end": b"one  \t\n  \n",
    "BOM": b"\xef\xbb\xbfone\n",
    "terminal controls": b"\x1b[2J\x1b]0;title\x07\x9b31m\n",
    "bidi and joiners": "a\u202eb\u2066c\u200d\u200b\n".encode(),
    "conflict marks": b"<<<<<<< ours\none\n=======\ntwo\n>>>>>>> theirs\n",
    "10 MB in one line": Random(2).randbytes(1 << 20).hex().encode() * 5,
}

NAMES = {
    "spaces": b" a  name ",
    "newline": b"a\nname",
    "quotes": b"'\"`$(touch x)`",
    "leading dash": b"-rf",
    "double dash": b"--",
    "backslash": b"a\\name\\n",
    "globs": b"*?[a-z]{1,2}",
    "comment and negation": b"#!important",
    "at, colon and caret": b"op:12@{1}^@-1",
    "invalid UTF-8": b"caf\xe9-\xff",
    "surrogates in UTF-8": b"\xed\xb3\xa9",
    "emoji": "\U0001f412\U0001f3fd\u200d\u2642\ufe0f.txt".encode(),
    "composed": "caf\u00e9".encode(),
    "decomposed": "cafe\u0301".encode(),
    "right to left": "\u202etxt.exe".encode(),
    "255 bytes": b"n" * 255,
    "255 bytes of emoji": "\U0001f412".encode() * 63 + b"abc",
    "controls": bytes([*range(1, 32), 127]),
    "escape sequence": b"\x1b[31mred\x1b[0m\x1b]8;;http:x\x07",
    "dots": b"...",
    "hidden": b".hidden",
    "trailing dot": b"name. ",
    "percent": b"%2e%2e%00",
    "upper case": b"CASE.txt",
    "lower case": b"case.txt",
    "mixed case": b"Case.TXT",
}


@pytest.fixture
def work(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder) as work:
        yield work


@pytest.mark.parametrize("kind", CONTENTS)
def test_any_content_survives_every_walk(work: Workspace, kind: str) -> None:
    content, other = CONTENTS[kind], b"something else\n"
    file = work.root / "file"
    file.write_bytes(content)  # disk to history
    work.scan()
    assert work.content(work.version("file", 1)) == content
    work.write("file", other)  # and another over it
    assert work.content(work.version("file", 1)) == content
    work.restore(version=work.version("file", 1))  # history to disk
    assert file.read_bytes() == content
    changed = content[: len(content) // 2] + b"!" + content[len(content) // 2 :]
    work.write("file", changed)  # a small edit, stored as a delta
    assert file.read_bytes() == changed
    work.undo()
    assert file.read_bytes() == content
    work.redo()
    assert file.read_bytes() == changed
    work.delete("file")
    work.undo()
    assert file.read_bytes() == changed
    expected = [content, other, content, changed, content, changed, b"", changed]
    work.store.contents.clear_cache()
    assert [work.content(version) for version in work.history("file")] == expected
    assert verify(work.store).problems == ()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for many examples."""
    root = tmp_path_factory.mktemp("shared")
    with Workspace.open(root, store=tmp_path_factory.mktemp("store") / "store") as work:
        yield work


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), min_size=1, max_size=6), data=st.data())
def test_any_sequence_of_contents_can_be_walked_in_any_order(
    shared: Workspace, states: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    path = f"{shared.cursor}.bin"
    written: dict[int, bytes] = {}
    for through_disk, content in states:
        if through_disk:
            (shared.root / path).write_bytes(content)
            shared.scan()
        else:
            shared.write(path, content)
        written[max(version.number for version in shared.history(path))] = content
    for number in data.draw(st.permutations(sorted(written))):
        shared.restore(version=shared.version(path, number))
        assert (shared.root / path).read_bytes() == written[number]


def test_any_name_survives_every_walk(work: Workspace) -> None:
    root = os.fsencode(work.root)
    expected = {name: b"text of " + name for name in NAMES.values()}
    for name, text in expected.items():
        with open(os.path.join(root, name), "wb") as file:
            file.write(text)
    if len(os.listdir(root)) < len(expected):
        pytest.skip("this file system takes some of these names for one another")

    def on_disk() -> dict[bytes, bytes]:
        names = [name for name in os.listdir(root) if name != b".wukong"]
        return {name: Path(os.fsdecode(os.path.join(root, name))).read_bytes() for name in names}

    work.scan()
    first = work.cursor
    assert {path: work.content(version) for path, version in work.tree().items()} == {
        to_path(name): text for name, text in expected.items()
    }
    with work.batch():
        for name, text in expected.items():
            work.write(to_path(name), text + b"\nmore\n")
    assert on_disk() == {name: text + b"\nmore\n" for name, text in expected.items()}
    work.restore(cursor=first)
    assert on_disk() == expected
    for name in expected:
        os.unlink(os.path.join(root, name))
    assert {version.change for version in work.scan().versions} == {"delete"}
    work.restore(cursor=first)
    assert on_disk() == expected
    work.undo()
    assert on_disk() == {}
    work.redo()
    assert on_disk() == expected
    assert verify(work.store).problems == ()


@pytest.mark.parametrize("kind", NAMES)
def test_any_name_can_be_written_moved_and_read_elsewhere(work: Workspace, kind: str) -> None:
    path = f"folder/{to_path(NAMES[kind])}"
    work.write(path, b"one\n")
    work.move(path, "plain")
    work.move("plain", path)
    assert Path(work.root, path).read_bytes() == b"one\n"
    with History.open(work.root) as history:
        assert [version.path for version in history.history(path)] == [path, "plain", path]
        assert history.content(history.version(path, 3)) == b"one\n"


@pytest.mark.parametrize(
    "path", ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/./b", "a/", "nul\0byte"]
)
def test_a_path_that_leads_elsewhere_is_refused(work: Workspace, path: str) -> None:
    with pytest.raises(WorkspaceError):
        work.write(path, b"")
    assert work.tree() == {}


@pytest.mark.parametrize(
    "path", [".git/config", "a/.git/hooks/x", ".wukong", ".wukong/workspace.db", ".wukong-tmp-1-1"]
)
def test_our_own_names_and_those_of_version_control_are_no_documents(work: Workspace, path: str) -> None:
    with pytest.raises(WorkspaceError):
        work.write(path, b"")
    (work.root / "a").write_text("a")
    work.scan()
    with pytest.raises(WorkspaceError):
        work.move("a", path)


def test_a_name_that_is_too_long_for_the_disk_is_refused_and_nothing_else_is_harmed(work: Workspace) -> None:
    work.write("a", b"a\n")
    with pytest.raises(WorkspaceError):
        work.write("n" * 256, b"long\n")
    assert (work.root / "a").read_bytes() == b"a\n"
    work.write("b", b"b\n")
    assert (work.root / "b").read_bytes() == b"b\n"


def test_a_path_longer_than_the_system_takes_at_once(work: Workspace) -> None:
    path = "/".join(["folder-" + "x" * 93] * 60) + "/file"
    work.write(path, b"one\n")
    work.write(path, b"two\n")
    work.restore(version=work.version(path, 1))
    found = work.on_disk(path)
    assert found is not None
    assert found.data == b"one\n"
    assert work.scan().operation is None
    work.delete(path)
    assert os.listdir(work.root) == [".wukong"]


# -- what is left out


def _lay(root: Path, **files: str) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_ignore_files_are_obeyed_as_git_obeys_them(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True)
    _lay(folder, **{
        ".gitignore": "# a comment\n\n*.log\n!important.log\n/anchored\nbuild/\ndocs/*.tmp\n**/deep/x\n\\#odd\n"
                      "trailing   \ndir/**\n!dir/kept/\ncrlf\r\n[ab].one\nsp\\ ace\n",
        "a.log": "", "important.log": "", "sub/b.log": "", "sub/important.log": "",
        "anchored": "", "sub/anchored": "", "build/out": "", "sub/build/out": "", "sub/file/build": "",
        "docs/a.tmp": "", "docs/sub/a.tmp": "", "p/q/deep/x": "", "deep/x": "", "deep/y": "",
        "#odd": "", "trailing": "", "dir/a": "", "dir/kept/b": "", "crlf": "", "a.one": "", "c.one": "", "sp ace": "",
        "nested/.gitignore": "*.txt\n!keep.txt\n!c.log\n/only\n", "nested/a.txt": "", "nested/keep.txt": "",
        "nested/c.log": "", "nested/only": "", "nested/sub/only": "", "nested/sub/d.txt": "",
        "nested/sub/.gitignore": "!d.txt\n", "other/a.txt": "",
    })  # fmt: skip
    with Workspace.open(folder) as work:
        work.scan()
        kept = set(work.tree())
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"], cwd=folder, check=True, capture_output=True
    )
    assert kept == {name.decode() for name in listed.stdout.split(b"\0") if name} - {".wukong"}


def test_an_ignore_file_with_a_byte_order_mark_is_understood(work: Workspace) -> None:
    (work.root / ".gitignore").write_bytes(b"\xef\xbb\xbfnoise\r\n")
    _lay(work.root, noise="", signal="")
    work.scan()
    assert set(work.tree()) == {".gitignore", "signal"}


def test_a_broken_pattern_does_not_hide_the_others(work: Workspace) -> None:
    _lay(work.root, **{".gitignore": "noise\n!\n[\n\\\n", "noise": "", "signal": ""})
    work.scan()
    assert set(work.tree()) == {".gitignore", "signal"}


def test_the_workspaces_own_ignore_file_has_the_last_word(work: Workspace) -> None:
    _lay(work.root, **{
        ".gitignore": "*.csv\n", ".wukongignore": "!data.csv\nscratch/\n",
        "data.csv": "1", "more.csv": "2", "scratch/x": "", "kept": "",
    })  # fmt: skip
    work.scan()
    assert set(work.tree()) == {".gitignore", ".wukongignore", "data.csv", "kept"}
    assert {skipped.path: skipped.reason for skipped in work.coverage()} == {
        "more.csv": "ignored", "scratch": "ignored",
    }  # fmt: skip


def test_a_document_stays_one_when_a_rule_comes_to_ignore_it(work: Workspace) -> None:
    _lay(work.root, **{"a.log": "one\n", "build/out": "one\n"})
    work.scan()
    _lay(work.root, **{".gitignore": "*.log\nbuild/\n", "b.log": "", "a.log": "two\n", "build/out": "two\n"})
    _lay(work.root, **{"build/new": ""})
    assert {v.path: v.change for v in work.scan().versions} == {
        ".gitignore": "create", "a.log": "edit", "build/out": "edit",
    }  # fmt: skip
    assert {s.path for s in work.coverage()} == {"b.log", "build/new"}


def test_likely_secrets_are_left_out_and_shown(work: Workspace) -> None:
    secrets = [".env", ".env.production", "server.pem", "deploy/id_rsa", ".netrc", "credentials.json", "API.KEY"]
    harmless = [".env.example", "id_rsa.pub", "environment.py", "monkey.txt"]
    _lay(work.root, **dict.fromkeys([*secrets, *harmless], "text"))
    work.scan()
    assert set(work.tree()) == set(harmless)
    assert {(s.path, s.reason) for s in work.coverage()} == {(path, "secret") for path in secrets}
    with open(work.folder / "workspace.db", "rb") as database:
        assert (
            b"production" in database.read() or (work.folder / "workspace.db-wal").exists()
        )  # its name, not its text


def test_naming_brings_in_secrets_and_ignored_files_for_good(work: Workspace) -> None:
    _lay(work.root, **{
        ".gitignore": "build/\n*.log\n", ".env": "TOKEN=1\n", "a.log": "1\n", "b.log": "1\n",
        "build/wanted": "1\n", "build/other": "1\n",
    })  # fmt: skip
    work.scan()
    assert set(work.tree()) == {".gitignore"}
    work.scan(named=[".env", "a.log", "build/wanted"])
    assert set(work.tree()) == {".gitignore", ".env", "a.log", "build/wanted"}
    assert {s.path for s in work.coverage()} == {"b.log", "build/other"}
    _lay(work.root, **{".env": "TOKEN=2\n", "build/wanted": "2\n"})
    assert {v.path: v.change for v in work.scan().versions} == {".env": "edit", "build/wanted": "edit"}
    (work.root / "a.log").unlink()
    work.scan()
    _lay(work.root, **{"a.log": "again\n"})
    assert {v.path: v.change for v in work.scan().versions} == {"a.log": "create"}


def test_naming_a_folder_brings_in_what_is_ignored_below_it_but_no_secrets(work: Workspace) -> None:
    _lay(
        work.root,
        **{".gitignore": "build/\n", "build/a": "", "build/deep/b": "", "build/.env": "S=1", "x/build/c": ""},
    )
    work.scan(named=["build"])
    assert set(work.tree()) == {".gitignore", "build/a", "build/deep/b"}
    assert {(s.path, s.reason) for s in work.coverage()} == {("build/.env", "secret"), ("x/build", "ignored")}


def test_coverage_is_kept_at_every_cursor(work: Workspace) -> None:
    _lay(work.root, **{".gitignore": "*.log\n", "a.log": ""})
    work.scan()
    first = work.cursor
    (work.root / "a.log").unlink()
    _lay(work.root, **{"b.log": ""})
    work.scan()
    assert [s.path for s in work.coverage(cursor=first)] == ["a.log"]
    assert [s.path for s in work.coverage()] == ["b.log"]
    assert work.coverage(cursor=0) == []
