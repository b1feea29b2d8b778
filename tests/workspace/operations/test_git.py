"""Importing git history: repositories made with git itself, every version compared with what git says."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from workspace import History, NotFound, Version, Workspace, WorkspaceError
from workspace.operations.git_import import Imported, import_git
from workspace.operations.verify import verify
from workspace.records import to_bytes
from workspace.working_copy.walk import Skipped

Tree = dict[bytes, tuple[int, str]]
"""What a commit holds: git mode and blob id by path."""


class Repository:
    """A repository driven by the git program, deaf to the configuration of whoever runs the tests."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._clock = 1_600_000_000
        self("init", "-q", "-b", "main")
        (folder / ".git/info/exclude").write_text(".wukong\n")

    def __call__(self, *arguments: str | bytes, data: bytes = b"", **environment: str) -> bytes:
        home = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
        names = {f"GIT_{who}_{what}": f"ada{at}" for who in ("AUTHOR", "COMMITTER") for what, at in _WHO}
        return subprocess.run(
            ["git", "-c", "core.autocrlf=false", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.folder, input=data, capture_output=True, check=True,
            env={**home, "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **names, **environment},
        ).stdout  # fmt: skip

    def commit(
        self, files: Mapping[str | bytes, bytes | None] = {}, message: str | bytes = "change", **environment: str
    ) -> str:
        """Write or delete files in the working directory and commit all of it."""
        for name, data in files.items():
            path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
            if data is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        self._clock += 60
        when = {f"GIT_{who}_DATE": f"{self._clock} +0000" for who in ("AUTHOR", "COMMITTER")}
        self("add", "-A", ".")
        text = message if isinstance(message, bytes) else message.encode()
        self(
            "commit", "-q", "--allow-empty", "--allow-empty-message", "-F", "-", data=text, **{**when, **environment}
        )
        return self("rev-parse", "HEAD").decode().strip()

    def line(self, ref: str = "HEAD") -> list[str]:
        """The first parents of a ref, oldest first."""
        return self("rev-list", "--first-parent", "--reverse", ref).decode().split()

    def tree(self, commit: str) -> Tree:
        found: Tree = {}
        for row in self("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]:
            mode, kind, blob = row.split(b"\t")[0].split()
            if kind == b"blob":
                found[row.partition(b"\t")[2]] = (int(mode, 8), blob.decode())
        return found

    def blob(self, blob: str) -> bytes:
        return self("cat-file", "blob", blob)


_WHO = (("NAME", ""), ("EMAIL", "@example.invalid"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def imported(history: History) -> list[tuple[int, str]]:
    """The import operations and the commits they stand for, in order."""
    return [(o, history.operation(o).ref.hex()) for o in history.store.journal.of_kind("import")]  # type: ignore[union-attr]


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def git_mode(version: Version) -> int:
    assert version.mode is not None
    if stat.S_ISLNK(version.mode):
        return 0o120000
    return 0o100755 if version.mode & 0o100 else 0o100644


def as_git_sees_it(history: History, versions: Iterable[Version]) -> Tree:
    return {to_bytes(v.path): (git_mode(v), blob_id(history.content(v))) for v in versions if v.exists}


def check_against_git(history: History, repository: Repository, ref: str = "HEAD") -> None:
    """Every imported version holds git's bytes, every commit's versions add up to git's tree."""
    assert [commit for _, commit in imported(history)] == repository.line(ref)
    heads: dict[int, Version] = {}
    for operation, commit in imported(history):
        heads |= {version.document: version for version in history.store.versions.of_operation(operation)}
        expected = {path: (mode & 0o120755 | 0o100644 if mode < 0o120000 else mode, blob)
                    for path, (mode, blob) in repository.tree(commit).items()}  # fmt: skip
        assert as_git_sees_it(history, heads.values()) == expected
    assert verify(history.store).ok


def check_disk(work: Workspace) -> None:
    """The working directory equals the heads."""
    for path, head in work.tree().items():
        found = work.on_disk(path)
        assert found is not None
        assert (found.mode, found.data) == (head.mode, work.content(head))
    assert work.differences() == []
    assert work.unplaced() == []


def changes(history: History, path: str) -> list[tuple[str, str]]:
    return [(version.change, version.path) for version in history.history(path)]


# -- what a commit becomes


def test_every_kind_of_change_becomes_the_versions_that_git_shows(folder: Path, repository: Repository) -> None:
    git = repository
    git.commit({"readme": b"one\n", "lib/a.py": b"a = 1\n", "lib/b.py": b"b\n" * 50, "empty": b""}, "begin")
    git.commit(
        {"readme": b"one\ntwo\n", "image": bytes(range(256)) * 40, "crlf": b"a\r\nb", "utf16": "é".encode("utf-16")}
    )
    git("mv", "lib/b.py", "moved.py")
    git.commit({"lib/a.py": None, "readme": b"two\n"}, "rename and delete")
    (git.folder / "readme").chmod(0o755)
    git.commit(message="mode")
    (git.folder / "link").symlink_to("readme")
    (git.folder / "nowhere").symlink_to("../../\x01 outside")
    git.commit(message="links")
    (git.folder / "link").unlink()
    git.commit({"link": b"now a file\n"}, "a link becomes a file")
    git.commit({"readme": None}, "a file goes")
    git.commit({"readme/inside": b"a folder now\n", "lib/a.py": b"again\n"}, "a folder comes, and a file again")
    git.commit(message="nothing changed")
    git.commit({"image": bytes(range(255, -1, -1)) * 41})
    with Workspace.open(folder) as work:
        result = import_git(work, git.folder)
        check_disk(work)
        check_against_git(work, git)
        assert result == Imported(10, 19, (), ())
        assert changes(work, "moved.py") == [("create", "lib/b.py"), ("rename", "moved.py")]
        assert [v.change for v in work.history("lib/a.py")] == ["create", "delete", "create"]
        assert [v.change for v in work.history("link")] == ["create", "edit"]
        assert [v.change for v in work.store.versions.history(work.store.versions.ever_at("readme")[0])] == [
            "delete", "mode", "edit", "edit", "create",
        ]  # fmt: skip
        assert work.store.versions.of_operation(imported(work)[8][0]) == []


def test_author_date_and_message_are_kept(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"1"}, "Only a subject")
    repository.commit({"a": b"2"}, "Subject\n\nBody, line one\nline two\n\nSigned-off-by: nobody\n")
    repository.commit({"a": b"3"}, "", GIT_AUTHOR_NAME="Žofie Nováková", GIT_AUTHOR_EMAIL="z@example.invalid")
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        first, second, third = (work.operation(operation) for operation, _ in imported(work))
    assert (first.name, first.actor, first.kind, dict(first.detail)) == (
        "Only a subject", "ada <ada@example.invalid>", "import", {},
    )  # fmt: skip
    assert first.started == 1_600_000_060 * 1_000_000
    assert second.name == "Subject"
    assert second.detail["message"] == "Subject\n\nBody, line one\nline two\n\nSigned-off-by: nobody"
    assert (third.name, third.actor) == ("", "Žofie Nováková <z@example.invalid>")


def test_odd_authors_dates_and_encodings_do_not_stop_an_import(folder: Path, repository: Repository) -> None:
    git, parent = repository, ""
    tree = git("write-tree").decode().strip()
    lines = {
        "plain": b"author A <a@b> 1600000000 +0000",
        "earlier": b"author A <a@b> 1500000000 -0730",
        "before 1970": b"author A <a@b> -86400 +0000",
        "future": b"author A <a@b> 4102444800 +1400",
        "absurd": b"author A <a@b> 99999999999999999999 +0000",
        "bad zone": b"author A <a@b> 1600000000 +051800",
        "no name": b"author <a@b> 1600000000 +0000",
        "no date": b"author A <a@b>",
        "latin": "author Ärger <ä@b> 1600000000 +0000\nencoding ISO-8859-1".encode("latin-1"),
        "liar": "author Ärger <ä@b> 1600000000 +0000\nencoding utf-8".encode("latin-1"),
        "unknown": "author Ärger <ä@b> 1600000000 +0000\nencoding klingon".encode(),
        "none": b"",
    }
    for name, author in lines.items():
        head = b"tree %s\n" % tree.encode() + (b"parent %s\n" % parent.encode() if parent else b"")
        body = b"\ncommitter C <c@d> 1600000000 +0000\n\n" + f"{name} é".encode(
            "latin-1" if name == "latin" else "utf-8"
        )
        commit = head + author + body if author else head + body[1:]
        parent = git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=commit).decode().strip()
        git("update-ref", "refs/heads/main", parent)
    with Workspace.open(folder) as work:
        import_git(work, git.folder)
        made = {o.name.removesuffix(" é"): o for o in (work.operation(i) for i, _ in imported(work)) if o.name}
        assert list(made) == list(lines)
        entries = [work.store.journal.entry(o.id) for o in made.values()]
        assert verify(work.store).ok
    assert made["earlier"].started == 1_500_000_000 * 1_000_000
    assert made["before 1970"].started == -86_400 * 1_000_000
    assert made["future"].started == 4_102_444_800 * 1_000_000
    assert [e.time for e in entries] == sorted(e.time for e in entries)
    assert [made[n].actor for n in ("plain", "no name", "no date", "latin", "liar", "unknown", "none")] == [
        "A <a@b>", "<a@b>", "A <a@b>", "Ärger <ä@b>", "Ärger <ä@b>", "Ärger <ä@b>", "",
    ]  # fmt: skip


def test_names_that_are_not_utf8_survive(folder: Path, repository: Repository) -> None:
    names = [
        b"caf\xe9",
        b"d\xff/\xfe.txt",
        "žluť".encode(),
        b" lead and trail ",
        b"new\nline",
        b"-dash",
        b"a\\b",
        b"x" * 200,
    ]
    repository.commit({name: b"1 " + name for name in names})
    repository.commit({name: b"2 " + name for name in names})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        check_against_git(work, repository)
        check_disk(work)
        assert {to_bytes(path) for path in work.tree()} == set(names)


def test_of_a_merge_the_first_parent_is_followed(folder: Path, repository: Repository) -> None:
    git = repository
    git.commit({"a": b"1\n", "b": b"1\n"}, "base")
    git("checkout", "-q", "-b", "side")
    git.commit({"b": b"2\n", "c": b"side\n"}, "side 1")
    git.commit({"c": b"side 2\n"}, "side 2")
    git("checkout", "-q", "main")
    git.commit({"a": b"2\n"}, "main 1")
    git("merge", "-q", "--no-ff", "-m", "join", "side")
    git.commit({"a": b"3\n"}, "after")
    with Workspace.open(folder) as work:
        assert import_git(work, git.folder).commits == 4
        check_against_git(work, git)
        joined = work.store.versions.of_operation(imported(work)[2][0])
    assert sorted((v.path, v.number) for v in joined) == [("b", 2), ("c", 1)]


def test_a_rename_is_one_only_where_the_content_is_unique(folder: Path, repository: Repository) -> None:
    git = repository
    git.commit({"a": b"same\n", "b": b"same\n", "c": b"other\n"})
    git.commit({"a": None, "b": None, "c": None, "x": b"same\n", "y": b"same\n", "z": b"other\n"})
    (git.folder / "z").unlink()
    (git.folder / "link").symlink_to("other\n")
    git.commit(message="a link to the same bytes is no rename")
    with Workspace.open(folder) as work:
        import_git(work, git.folder)
        check_against_git(work, git)
        assert changes(work, "z") == [("create", "c"), ("rename", "z"), ("delete", "z")]
        assert changes(work, "x") == [("create", "x")]
        assert changes(work, "link") == [("create", "link")]


def test_loose_and_packed_objects_read_alike(tmp_path: Path, repository: Repository) -> None:
    for n in range(12):
        repository.commit({"a": b"line\n" * 200 + b"%d\n" % n, f"f{n}": b"%d" % n})
    (tmp_path / "loose").mkdir()
    (tmp_path / "packed").mkdir()
    with Workspace.open(tmp_path / "loose") as work:
        import_git(work, repository.folder)
        check_against_git(work, repository)
    repository("gc", "-q", "--aggressive", "--prune=now")
    with Workspace.open(tmp_path / "packed") as work:
        import_git(work, repository.folder)
        check_against_git(work, repository)


def test_a_bare_repository_a_worktree_and_refs_can_be_named(tmp_path: Path, repository: Repository) -> None:
    git = repository
    first = git.commit({"a": b"1"})
    git("tag", "-a", "v1", "-m", "a tag")
    git("checkout", "-q", "-b", "topic/x")
    git.commit({"a": b"2"})
    git("checkout", "-q", "main")
    git("worktree", "add", "-q", str(tmp_path / "tree"), "topic/x")
    git("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    for number, (source, ref, commits) in enumerate(
        [(tmp_path / "bare", None, 1), (tmp_path / "bare", "topic/x", 2), (tmp_path / "tree", None, 2),
         (git.folder, "v1", 1), (git.folder, "refs/heads/topic/x", 2), (git.folder, first[:9], 1)]
    ):  # fmt: skip
        folder = tmp_path / f"w{number}"
        folder.mkdir()
        with Workspace.open(folder) as work:
            assert import_git(work, source, ref=ref).commits == commits


@pytest.mark.parametrize("ref", ["nothing", "HEAD~5", "0" * 40, "", None])
def test_what_is_not_there_is_said_in_a_sentence(folder: Path, repository: Repository, ref: str | None) -> None:
    if ref:
        repository.commit({"a": b"1"})
    with Workspace.open(folder) as work:
        with pytest.raises(NotFound, match="has no commit"):
            import_git(work, repository.folder, ref=ref)
        for place in (folder, folder / "missing"):
            with pytest.raises(NotFound, match="no git repository"):
                import_git(work, place)
        assert work.cursor == 0


def test_an_import_is_no_part_of_a_batch(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"1"})
    with Workspace.open(folder) as work, pytest.raises(WorkspaceError, match="batch"), work.batch():
        import_git(work, repository.folder)


# -- what is left out


def test_submodules_and_our_own_names_are_left_out_and_said(folder: Path, repository: Repository) -> None:
    git = repository
    (git.folder / ".wukong").mkdir()
    (git.folder / ".wukong/x").write_bytes(b"never")
    git("add", "-f", ".wukong/x")
    commit = git.commit({"a": b"1", ".hg/store": b"never", "d/.svn/y": b"never"})
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    git("commit", "-q", "-m", "a submodule")
    git("rm", "-q", "--cached", "module")
    git("commit", "-q", "-m", "gone")
    with Workspace.open(folder) as work:
        result = import_git(work, git.folder)
        before, with_module, after = (
            {s.path: s.reason for s in work.coverage(cursor=entry)} for entry, _ in imported(work)
        )
        check_disk(work)
        assert set(work.tree()) == {"a"}
        assert verify(work.store).ok
    ours = {".hg/store", ".wukong/x", "d/.svn/y"}
    assert result.skipped == tuple(Skipped(path, "outside", None) for path in sorted({*ours, "module"}))
    assert set(before) == set(after) == ours
    assert set(with_module) == {*ours, "module"}


def test_a_file_that_becomes_a_submodule_is_gone_while_it_is_one(folder: Path, repository: Repository) -> None:
    git = repository
    commit = git.commit({"lib": b"a file\n"})
    git("rm", "-q", "--cached", "lib")
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    git("commit", "-q", "-m", "now a submodule")
    git("update-index", "--force-remove", "lib")
    git.commit({"lib": b"a file\n"})
    with Workspace.open(folder) as work:
        import_git(work, git.folder)
        check_against_git(work, git)
        assert [v.change for v in work.history("lib")] == ["create", "delete", "create"]
        assert work.coverage() == []


def test_files_over_the_limit_are_left_out_while_they_are(folder: Path, repository: Repository) -> None:
    git = repository
    git.commit({"a": b"small\n", "b": b"x" * 2000})
    git.commit({"a": b"y" * 3000})
    git("mv", "b", "c")
    git.commit(message="a rename of what is too large")
    git.commit({"a": b"small again\n"})
    with Workspace.open(folder) as work:
        work.scan(largest=1000)
        result = import_git(work, git.folder)
        coverage = [{s.path: s.bytes for s in work.coverage(cursor=entry)} for entry, _ in imported(work)]
        assert [v.change for v in work.history("a")] == ["create", "delete", "create"]
        assert set(work.tree()) == {"a"}
        check_disk(work)
        assert verify(work.store).ok
    assert coverage == [{"b": 2000}, {"a": 3000, "b": 2000}, {"a": 3000, "c": 2000}, {"c": 2000}]
    assert [(s.path, s.reason) for s in result.skipped] == [(p, "too large") for p in ("a", "b", "c")]


def test_a_blob_that_the_clone_lacks_is_left_out_and_a_lacking_tree_refused(
    folder: Path, repository: Repository
) -> None:
    git = repository
    git.commit({"a": b"1\n", "d/b": b"2\n"})
    git.commit({"a": b"lost\n", "d/b": b"3\n"})

    def lose(name: str) -> None:
        object_ = git("rev-parse", name).decode().strip()
        (git.folder / ".git/objects" / object_[:2] / object_[2:]).unlink()

    lose("HEAD:a")
    with Workspace.open(folder) as work:
        assert import_git(work, git.folder).skipped == (Skipped("a", "unreadable", None),)
        assert set(work.tree()) == {"d/b"}
        git.commit({"a": b"found\n", "d/b": b"4\n"})
        lose("HEAD:d")
        cursor = work.cursor
        with pytest.raises(WorkspaceError, match="lacks the object"):
            import_git(work, git.folder)
        assert work.cursor == cursor


def test_a_shallow_clone_begins_where_it_was_cut(folder: Path, tmp_path: Path, repository: Repository) -> None:
    for n in range(5):
        repository.commit({"a": b"%d\n" % n, f"f{n}": b"%d\n" % n})
    repository("clone", "-q", "--depth", "2", repository.folder.as_uri(), str(tmp_path / "shallow"))
    with Workspace.open(folder) as work:
        assert import_git(work, tmp_path / "shallow").commits == 2
        assert set(work.tree()) == {"a", "f0", "f1", "f2", "f3", "f4"}
        check_disk(work)


# -- again and onwards


def long_history(git: Repository, commits: int) -> None:
    """Many commits in one go: each changes one of seven files, some add or move others."""
    stream = []
    for n in range(commits):
        text = b"".join(b"line %d\n" % (k * k % (n + 1)) for k in range(30)) + b"%d\n" % n
        stream.append(
            b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata <<X\nc%d\nX\n" % (1_600_000_000 + n, n)
        )
        stream.append(b"M 100644 inline f%d\ndata %d\n%s\n" % (n % 7, len(text), text))
        if n % 50 == 40:
            stream.append(b"M 100644 inline g%d\ndata %d\n%s\n" % (n, len(text), text))
        if n % 50 == 45:
            stream.append(b"R g%d h%d\n" % (n - 5, n))
    git("fast-import", "--quiet", "--force", data=b"".join(stream))


class Stop(Exception):
    pass


def test_importing_again_adds_only_what_is_new(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"1\n", "b": b"1\n"})
    repository.commit({"a": b"2\n"})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        cursor = work.cursor
        assert import_git(work, repository.folder) == Imported(0, 0, (), ())
        assert work.cursor == cursor
    repository("mv", "b", "c")
    repository.commit({"a": b"3\n"})
    repository.commit({"c": None})
    with Workspace.open(folder) as work:
        assert import_git(work, repository.folder) == Imported(2, 3, (), ())
        check_against_git(work, repository)
        check_disk(work)
        assert [v.parent for v in work.history("a")] == [None, 1, 2]
        assert changes(work, "c") == [("create", "b"), ("rename", "c"), ("delete", "c")]


def test_an_interrupted_import_goes_on_where_it_stopped(folder: Path, repository: Repository) -> None:
    long_history(repository, 450)

    def stop(done: int, total: int) -> None:
        if done == 300:
            raise Stop

    seen = []
    with Workspace.open(folder) as work:
        with pytest.raises(Stop):
            import_git(work, repository.folder, progress=stop)
        have = len(imported(work))
        assert 0 < have < 300
        check_disk(work)
        result = import_git(work, repository.folder, progress=lambda done, total: seen.append((done, total)))
        assert result.commits == 450 - have
        check_against_git(work, repository)
        check_disk(work)
    assert seen[0] == (1, 450 - have)
    assert seen[-1] == (450 - have, 450 - have)


def test_an_import_that_is_killed_is_finished_on_opening(folder: Path, repository: Repository) -> None:
    long_history(repository, 450)
    child = os.fork()
    if child == 0:  # it dies without a word, commits made and no file placed
        work = Workspace.open(folder)
        import_git(work, repository.folder, progress=lambda done, total: os._exit(9) if done == 300 else None)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list(folder.glob("f*")) == []
    with Workspace.open(folder) as work:
        assert len(imported(work)) == 200
        check_disk(work)
        assert set(os.listdir(folder)) == {*work.tree(), ".wukong"}
        import_git(work, repository.folder)
        check_against_git(work, repository)
        check_disk(work)


def test_the_outcome_does_not_depend_on_when_it_was_imported(tmp_path: Path, repository: Repository) -> None:
    long_history(repository, 120)
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    whole.mkdir()
    pieces.mkdir()
    with Workspace.open(whole) as work:
        import_git(work, repository.folder)
        expected = [
            (v.document, v.number, v.path, v.parent, v.change) for v in work.store.versions.of_entries(1, 1 << 40)
        ]
    with Workspace.open(pieces) as work:
        for commit in repository.line()[::17]:
            import_git(work, repository.folder, ref=commit)
        import_git(work, repository.folder)
        assert [
            (v.document, v.number, v.path, v.parent, v.change) for v in work.store.versions.of_entries(1, 1 << 40)
        ] == expected
        check_against_git(work, repository)


def test_a_rewritten_commit_takes_the_place_of_the_one_it_replaces(folder: Path, repository: Repository) -> None:
    git = repository
    git.commit({"a": b"1\n"})
    git.commit({"a": b"two\n", "new": b"x\n"})
    with Workspace.open(folder) as work:
        import_git(work, git.folder)
        (git.folder / "a").write_bytes(b"2\n")
        git("commit", "-q", "-a", "--amend", "-m", "amended")
        git.commit({"new": b"y\n"})
        assert import_git(work, git.folder).kept == ()
        assert {path: work.content(head) for path, head in work.tree().items()} == {"a": b"2\n", "new": b"y\n"}
        assert [work.content(v) for v in work.history("a")] == [b"1\n", b"two\n", b"2\n"]
        check_disk(work)


# -- a workspace with edits of its own


def test_own_edits_are_merged_with_what_is_imported(folder: Path, repository: Repository) -> None:
    text = [b"%d\n" % n for n in range(20)]
    repository.commit({"a": b"".join(text), "b": b"b\n"})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        work.write("a", b"mine\n" + b"".join(text))
        repository.commit({"a": b"".join(text) + b"theirs\n"})
        repository.commit({"a": b"".join(text) + b"theirs too\n", "b": b"bb\n"})
        assert import_git(work, repository.folder).kept == ()
        versions = {v.number: v for v in work.history("a")}
        merged = versions[max(versions)]
        assert work.content(merged) == b"mine\n" + b"".join(text) + b"theirs too\n"
        assert work.operation(merged.operation).kind == "merge"
        assert (versions[3].parent, versions[4].parent) == (1, 3)
        assert (merged.parent, merged.merged) == (2, 4)
        assert [work.operation(v.operation).kind for v in work.history("b")] == ["import", "import"]
        check_against_git(work, repository)
        check_disk(work)
        del text[5]
        repository.commit({"a": b"".join(text) + b"theirs too\n"})
        assert import_git(work, repository.folder).kept == ()
        assert (folder / "a").read_bytes() == b"mine\n" + b"".join(text) + b"theirs too\n"


def test_where_both_changed_the_same_the_workspaces_own_stands(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"one\n", "gone": b"1\n", "edited": b"1\n", "binary": b"\0\1"})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        work.write("a", b"mine\n")
        work.delete("gone")
        work.write("edited", b"mine\n")
        work.write("binary", b"\0mine")
        repository.commit({"a": b"theirs\n", "gone": b"2\n", "edited": None, "binary": b"\0theirs"})
        result = import_git(work, repository.folder)
        assert result.kept == ("a", "binary", "edited", "gone")
        assert {path: work.content(head) for path, head in work.tree().items()} == {
            "a": b"mine\n", "edited": b"mine\n", "binary": b"\0mine",
        }  # fmt: skip
        check_against_git(work, repository)
        check_disk(work)
        repository.commit({"a": b"mine\n"})
        assert import_git(work, repository.folder).kept == ()
        assert (folder / "a").read_bytes() == b"mine\n"


def test_an_edit_that_was_not_recorded_yet_is_merged_too(folder: Path, repository: Repository) -> None:
    text = [b"%d\n" % n for n in range(20)]
    repository.commit({"a": b"".join(text), "b": b"1\n"})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
    (folder / "a").write_bytes(b"by hand\n" + b"".join(text))
    (folder / "b").write_bytes(b"by hand\n")
    repository.commit({"a": b"".join(text) + b"theirs\n", "b": b"theirs\n"})
    with Workspace.open(folder) as work:
        assert import_git(work, repository.folder).kept == ("b",)
        assert (folder / "a").read_bytes() == b"by hand\n" + b"".join(text) + b"theirs\n"
        assert (folder / "b").read_bytes() == b"by hand\n"
        check_against_git(work, repository)
        check_disk(work)


def test_a_document_that_both_renamed_stays_one_document(folder: Path, repository: Repository) -> None:
    git = repository
    text = b"".join(b"%d\n" % n for n in range(20))
    git.commit({"a": text, "own": b"1\n"})
    with Workspace.open(folder) as work:
        import_git(work, git.folder)
        work.move("a", "b")
        work.write("b", text + b"mine\n")
        work.move("own", "mine")
        git("mv", "a", "b")
        git.commit({"b": b"theirs\n" + text, "own": b"2\n"})
        assert import_git(work, git.folder).kept == ()
        assert {path: work.content(head) for path, head in work.tree().items()} == {
            "b": b"theirs\n" + text + b"mine\n", "mine": b"2\n",
        }  # fmt: skip
        assert work.document("b") == work.document("a")
        check_against_git(work, git)
        check_disk(work)


def test_a_document_in_the_way_stops_the_import_before_its_commit(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"1\n"})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        work.move("a", "b")
        repository.commit({"b": b"another file\n"})
        cursor = work.cursor
        with pytest.raises(WorkspaceError, match="move it away"):
            import_git(work, repository.folder)
        assert work.cursor == cursor
        work.move("b", "c")
        assert import_git(work, repository.folder).commits == 1
        assert set(work.tree()) == {"b", "c"}
        check_disk(work)


def test_files_of_the_same_name_become_the_same_documents(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"1\n", "b": b"1\n"})
    repository.commit({"a": b"2\n", "b": b"2\n"})
    with Workspace.open(folder) as work:
        work.write("a", b"2\n")
        work.write("b", b"mine\n")
        assert import_git(work, repository.folder).kept == ("b",)
        assert {path: work.content(head) for path, head in work.tree().items()} == {"a": b"2\n", "b": b"mine\n"}
        assert [work.operation(v.operation).kind for v in work.history("a")] == ["edit", "import", "import"]
        check_against_git(work, repository)
        check_disk(work)


def test_a_second_history_joins_only_where_no_path_is_in_both(
    folder: Path, tmp_path: Path, repository: Repository
) -> None:
    other, third = Repository(tmp_path / "other"), Repository(tmp_path / "third")
    repository.commit({"a": b"1\n"})
    other.commit({"lib/b": b"1\n"}, "other")
    third.commit({"c": b"1\n"}, "third")
    third.commit({"a": b"theirs\n"}, "collides")
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        assert import_git(work, other.folder).commits == 1
        cursor = work.cursor
        with pytest.raises(WorkspaceError, match="a: imported from another history"):
            import_git(work, third.folder)
        assert work.cursor == cursor
        repository.commit({"a": b"2\n"})
        other.commit({"lib/b": b"2\n"})
        assert import_git(work, repository.folder) == Imported(1, 1, (), ())
        assert import_git(work, other.folder) == Imported(1, 1, (), ())
        assert set(work.tree()) == {"a", "lib/b"}
        check_disk(work)


def test_a_branch_goes_on_from_what_was_imported_before_its_fork(folder: Path, repository: Repository) -> None:
    repository.commit({"a": b"1\n"})
    with Workspace.open(folder) as work:
        import_git(work, repository.folder)
        work.fork("agent")
    (folder / "a").unlink()  # the branch begins with an empty folder
    repository.commit({"a": b"2\n"})
    with Workspace.open(folder, branch="agent") as work:
        assert import_git(work, repository.folder) == Imported(1, 1, (), ())
        assert [(v.number, v.parent, v.branch) for v in work.history("a")] == [(1, None, 1), (2, 1, work.branch.id)]
    with History.open(folder) as main:
        assert [main.content(head) for head in main.tree().values()] == [b"1\n"]


# -- inside the repository's own folder


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if ".git" not in path.parts and path.name != ".wukong" and not path.is_dir():
            status = path.lstat()
            found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_mode)
    return found


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_inside_its_own_folder_an_import_touches_no_file(repository: Repository, mask: int) -> None:
    git = repository
    before = os.umask(mask)
    try:
        git.commit({"a": b"1\n", "d/b": b"1\n", "run": b"#!/bin/sh\n"})
        (git.folder / "run").chmod(0o755 & ~mask)
        (git.folder / "link").symlink_to("a")
        git.commit({"a": b"2\n"})
        seen = stamps(git.folder)
        with Workspace.open(git.folder) as work:
            assert import_git(work, git.folder).kept == ()
            assert stamps(git.folder) == seen
            check_disk(work)
        git("mv", "a", "c")
        git.commit({"d/b": b"2\n", "new": b"1\n", "c": b"2\n"})
        git.commit({"new": None, "c": b"3\n"})
        seen = stamps(git.folder)
        with Workspace.open(git.folder) as work:
            assert import_git(work, git.folder).kept == ()
            assert stamps(git.folder) == seen
            assert set(work.tree()) == {"c", "d/b", "link", "run"}
            check_disk(work)
            assert work.scan().versions == ()
    finally:
        os.umask(before)


def test_uncommitted_edits_in_the_folder_stay_and_are_the_newest_versions(repository: Repository) -> None:
    git = repository
    git.commit({"a": b"1\n", "b": b"1\n", "gone": b"1\n"})

    def edit(text: bytes) -> dict[str, tuple[int, int, int]]:
        (git.folder / "a").write_bytes(text)
        (git.folder / "gone").unlink()
        return stamps(git.folder)

    seen = edit(b"not committed\n")
    with Workspace.open(git.folder) as work:
        assert import_git(work, git.folder).kept == ("a", "gone")
        assert stamps(git.folder) == seen
        assert {path: work.content(head) for path, head in work.tree().items()} == {
            "a": b"not committed\n",
            "b": b"1\n",
        }
        assert [work.operation(v.operation).kind for v in work.history("a")] == ["import", "outside"]
        check_against_git(work, git)
    git.commit({"a": b"committed\n", "b": b"2\n", "gone": b"2\n"})
    git.commit({"a": b"committed too\n"})
    (git.folder / "untracked").write_bytes(b"not git's\n")
    seen = edit(b"not committed either\n")
    with Workspace.open(git.folder) as work:
        assert set(import_git(work, git.folder).kept) == {"a", "gone"}
        assert stamps(git.folder) == seen
        assert {path: work.content(head) for path, head in work.tree().items()} == {
            "a": b"not committed either\n", "b": b"2\n",
        }  # fmt: skip
        check_against_git(work, git)
        assert [v.path for v in work.scan().versions] == ["untracked"]


def test_a_file_that_git_lets_go_of_stays_in_the_folder(repository: Repository) -> None:
    git = repository
    git.commit({"a": b"1\n", "b": b"1\n"})
    with Workspace.open(git.folder) as work:
        import_git(work, git.folder)
    git("rm", "-q", "--cached", "a")
    git("commit", "-q", "-m", "no longer git's")
    with Workspace.open(git.folder) as work:
        assert import_git(work, git.folder) == Imported(1, 1, (), ())
        assert (git.folder / "a").read_bytes() == b"1\n"
        assert set(work.tree()) == {"b"}
        assert [(v.path, v.change, v.document) for v in work.scan().versions] == [("a", "create", work.document("a"))]


def test_an_import_that_stops_inside_the_folder_touches_no_file_either(repository: Repository) -> None:
    git = repository
    long_history(git, 450)
    git("checkout", "-q", "-f", "main")
    seen = stamps(git.folder)

    def stop(done: int, total: int) -> None:
        if done == 300:
            raise Stop

    with Workspace.open(git.folder) as work, pytest.raises(Stop):
        import_git(work, git.folder, progress=stop)
    with Workspace.open(git.folder) as work:
        assert stamps(git.folder) == seen
        assert import_git(work, git.folder).kept == ()
        assert stamps(git.folder) == seen
        assert work.store.journal.of_kind("outside") == []
        check_against_git(work, git)
        check_disk(work)


def test_a_folder_that_was_scanned_before_keeps_every_file(repository: Repository) -> None:
    git = repository
    for n in range(4):
        git.commit({"a": b"line\n" * n + b"%d\n" % n, "b": b"%d\n" % n})
    (git.folder / "b").write_bytes(b"not committed\n")
    seen = stamps(git.folder)
    with Workspace.open(git.folder) as work:
        work.scan()
        assert import_git(work, git.folder).kept == ("b",)
        assert stamps(git.folder) == seen
        check_against_git(work, git)
        check_disk(work)
    git.commit({"a": b"later\n"})
    seen = stamps(git.folder)
    with Workspace.open(git.folder) as work:
        work.scan()
        assert import_git(work, git.folder).kept == ()
        assert stamps(git.folder) == seen
        assert (git.folder / "b").read_bytes() == b"not committed\n"


def test_what_blocks_a_file_is_left_and_named(folder: Path, repository: Repository) -> None:
    repository.commit({"a/b": b"1\n", "c": b"1\n", "d": b"1\n"})
    (folder / "a").write_bytes(b"a file where a folder belongs\n")
    (folder / "c").mkdir()
    (folder / "c/inside").write_bytes(b"a folder where a file belongs\n")
    os.mkfifo(folder / "d")
    with Workspace.open(folder) as work:
        assert import_git(work, repository.folder).kept == ("a/b", "c", "d")
        assert sorted(v.path for v in work.unplaced()) == ["a/b", "c", "d"]
        assert (folder / "a").read_bytes() == b"a file where a folder belongs\n"
        assert (folder / "c/inside").read_bytes() == b"a folder where a file belongs\n"
    (folder / "a").unlink()
    (folder / "c/inside").unlink()
    (folder / "c").rmdir()
    (folder / "d").unlink()
    with Workspace.open(folder) as work:
        check_disk(work)
