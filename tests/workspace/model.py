"""A naive model of a workspace: full copies of everything, to hold the real one against.

Also what the tests need to be hostile: points at which an act can be interrupted, and
people who edit files at the worst moment.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workspace import History, Version, Workspace
from workspace.records import MAIN, to_path

Seen = tuple[int, bytes]
"""``st_mode`` (type and permissions) and bytes of a file, or the target of a link."""
Tree = dict[str, Seen]

LINK_MODE = stat.S_IFLNK | 0o777
TEMPORARY = ".wukong-tmp-"


class Crash(BaseException):
    """The process dies here."""


# -- points at which things happen

_CALLS = frozenset({"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod"})
_watching: list[Points] = []


class Points:
    """The points that an act passes, in order, as ``(kind, number)``.

    Kinds are ``step``, a named step of the write path; ``call``, the moment before a system
    call that changes the directory; ``look``, before one that only looks, whose number
    depends on how young files are. ``plan`` says what happens at which point.
    """

    def __init__(self, plan: dict[tuple[str, int], Callable[[], None]] | None = None) -> None:
        self.plan = plan or {}
        self.passed: list[tuple[str, int]] = []
        self.quiet = False
        self._counts = {"step": 0, "call": 0, "look": 0}

    def reach(self, kind: str) -> None:
        if self.quiet:
            return
        point = (kind, self._counts[kind])
        self._counts[kind] += 1
        self.passed.append(point)
        if (happens := self.plan.get(point)) is not None:
            self.quiet = True
            try:
                happens()
            finally:
                self.quiet = False

    def step(self, name: str) -> None:
        self.reach("step")

    @contextmanager
    def watch(self, work: Workspace | None = None) -> Iterator[None]:
        """Let the points of everything in the block count; the steps of ``work`` too."""
        if work is not None:
            work.step = self.step
        _watching.append(self)
        try:
            yield
        finally:
            _watching.remove(self)
            if work is not None:
                work.step = lambda _: None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event in _CALLS:
        _watching[-1].reach("call")
    elif event == "os.scandir":
        _watching[-1].reach("look")
    elif event == "open" and arguments[1] is None:  # by os.open: Python's own files come with a mode
        _watching[-1].reach("call" if arguments[2] & os.O_CREAT else "look")


sys.addaudithook(_audit)


class Watched(Workspace):
    """A workspace whose points count from the first moment of opening it.

    Nothing is synced: here processes die, and what they wrote stays with the kernel.
    """

    points: Points = Points()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self._owner:
            self.step = self.points.step
            self.store.db.execute("PRAGMA synchronous=OFF")
        if self.copy is not None:
            self._files.sync = lambda: None  # type: ignore[method-assign]


def crash() -> None:
    raise Crash


def reopen(root: Path, store: Path, points: Points | None = None) -> Workspace:
    """Open a workspace, passing the given points on the way."""
    points = points or Points()
    kind = type("Watched", (Watched,), {"points": points})
    with points.watch():
        work: Workspace = kind.open(root, store=store)
    work.step = lambda _: None
    return work


# -- what is on disk


def look(path: Path) -> Seen | None:
    """A file or a link as it is; None for anything else."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return LINK_MODE, os.fsencode(os.readlink(path))
        if stat.S_ISREG(status.st_mode):
            return stat.S_IFREG | status.st_mode & 0o777, path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        pass
    return None


def snapshot(root: Path, *, ours: bool = False) -> Tree:
    """Every file and link below the folder; those of ours only where asked for."""
    found: Tree = {}
    base = os.fsencode(root)
    for folder, folders, files in os.walk(base):
        for name in [*files, *folders]:
            full = os.path.join(folder, name)
            if name == b".wukong" or (name.startswith(TEMPORARY.encode()) and not ours):
                continue
            if (seen := look(Path(os.fsdecode(full)))) is not None:
                found[to_path(os.path.relpath(full, base))] = seen
    return found


def leftovers(root: Path) -> list[str]:
    """Temporary files of ours, and everything below such a name."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if TEMPORARY in str(path.relative_to(root)))


def is_barred(root: Path, path: str) -> bool:
    """Whether a file cannot be put at a path: a folder or a pipe is there, or a file where a folder has to be."""
    for above in reversed(Path(path).parents[:-1]):
        if not (root / above).is_dir() or (root / above).is_symlink():
            return os.path.lexists(root / above)
    return os.path.lexists(root / path) and look(root / path) is None


def _pipes(root: Path) -> set[str]:
    base = os.fsencode(root)
    found = (os.path.join(folder, name) for folder, _, names in os.walk(base) for name in names)
    return {to_path(os.path.relpath(path, base)) for path in found if stat.S_ISFIFO(os.lstat(path).st_mode)}


# -- people


@dataclass(frozen=True)
class Outside:
    """Something a person does to a file without asking anybody."""

    kind: str
    path: str
    to: str = ""
    data: bytes = b""
    at: int = 0

    def do(self, root: Path) -> None:
        path = root / self.path
        with suppress(OSError):
            if path.is_fifo() and self.kind not in ("clear", "delete", "rename"):
                return  # opening it would wait for its other end
            getattr(self, "_" + self.kind)(path, root)

    def _write(self, path: Path, root: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)

    def _truncate(self, path: Path, root: Path) -> None:
        os.truncate(path, self.at % (path.stat().st_size + 1))

    def _append(self, path: Path, root: Path) -> None:
        with path.open("ab") as file:
            file.write(self.data)

    def _insert(self, path: Path, root: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        lines.insert(self.at % (len(lines) + 1), self.data)
        path.write_bytes(b"".join(lines))

    def _change(self, path: Path, root: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True) or [b""]
        lines[self.at % len(lines)] = self.data
        path.write_bytes(b"".join(lines))

    def _replace(self, path: Path, root: Path) -> None:
        """As ``sed -i`` and most editors do: a new file is renamed over the old one."""
        new = path.with_name("editing~")
        new.write_bytes(path.read_bytes() + self.data)
        new.chmod(stat.S_IMODE(path.stat().st_mode))
        new.rename(path)

    def _delete(self, path: Path, root: Path) -> None:
        path.unlink()

    def _rename(self, path: Path, root: Path) -> None:
        (root / self.to).parent.mkdir(parents=True, exist_ok=True)
        path.rename(root / self.to)

    def _chmod(self, path: Path, root: Path) -> None:
        if not path.is_symlink():
            path.chmod((0o600, 0o644, 0o755, 0o640)[self.at % 4])

    def _symlink(self, path: Path, root: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(("a", "nowhere", "d", "../outside")[self.at % 4])

    def _folder(self, path: Path, root: Path) -> None:
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.mkdir(parents=True)

    def _pipe(self, path: Path, root: Path) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    def _clear(self, path: Path, root: Path) -> None:
        """Take away a folder, or whatever stands there."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@dataclass
class People:
    """What people outside did that must not get lost: theirs until they undo it themselves."""

    root: Path
    theirs: dict[str, Seen] = field(default_factory=dict)
    """What they last put at a path, as long as they did not overwrite or remove it themselves."""
    owed: list[Seen] = field(default_factory=list)
    """What they put somewhere and something else displaced: a version has to hold it."""
    dirty: set[str] = field(default_factory=set)
    """Paths they touched since the last scan."""
    ever: set[Seen] = field(default_factory=set)
    """Every state that any file ever had."""
    moved: set[str] = field(default_factory=set)
    """Folders that they renamed during the act, from and to: what was just being put there went along."""

    def do(self, *edits: Outside) -> None:
        for edit in edits:
            before, pipes = snapshot(self.root), _pipes(self.root)
            if edit.kind == "rename" and (self.root / edit.path).is_dir():
                self.moved |= {edit.path, edit.to}
            edit.do(self.root)
            after = snapshot(self.root)
            self.dirty |= pipes ^ _pipes(self.root)  # where one stood, a document's file may be missing now
            self.ever.update(before.values(), after.values())
            for path in before.keys() | after.keys():
                if before.get(path) == after.get(path):
                    continue
                self.dirty.add(path)
                old = self.theirs.pop(path, None)
                if old is not None and before.get(path, (0, b""))[1] != old[1]:
                    self.owed.append(old)
                if path in after:
                    self.theirs[path] = after[path]
            if edit.kind == "clear":  # what of theirs was under a name of ours just then went with the folder
                gone = {path for path in self.theirs if path not in after and path.startswith(f"{edit.path}/")}
                self.theirs = {path: seen for path, seen in self.theirs.items() if path not in gone}

    def went_along(self, paths: set[str]) -> set[str]:
        """Those that were just being put into a folder that somebody renamed."""
        return {path for path in paths if any(path.startswith(f"{folder}/") for folder in self.moved)}

    def check_nothing_lost(self, model: Model) -> None:
        """What they made is where they put it, or in a version."""
        held = {(stat.S_IFMT(mode), data) for _, mode, data in model.states.values() if mode is not None}
        disk = snapshot(self.root)
        for mode, data in self.owed:
            assert (stat.S_IFMT(mode), data) in held, f"displaced and lost: {data!r}"
        self.owed.clear()
        for path, (mode, data) in self.theirs.items():
            here = disk.get(path)
            there = here is not None and here[1] == data and stat.S_IFMT(here[0]) == stat.S_IFMT(mode)
            assert there or (stat.S_IFMT(mode), data) in held, f"lost from {path}: {data!r}"

    def check_recorded(self, model: Model) -> None:
        """After a scan a version holds each of their files."""
        held = {(mode, data) for _, mode, data in model.states.values()}
        for path, seen in self.theirs.items():
            if snapshot(self.root).get(path) == seen:
                assert seen in held, f"not recorded: {path} {seen!r}"


# -- what was recorded


@dataclass
class Model:
    """Full copies of every version ever seen, and of the tree at every entry."""

    states: dict[tuple[int, int], tuple[str, int | None, bytes]] = field(default_factory=dict)
    versions: dict[tuple[int, int], Version] = field(default_factory=dict)
    heads: dict[int, Version] = field(default_factory=dict)
    """Of the main branch."""
    others: dict[int, dict[int, Version]] = field(default_factory=dict)
    """Heads of other branches, by branch, from forks of what was newest then."""
    other_trees: dict[tuple[int, int], Tree] = field(default_factory=dict)
    """By branch and entry."""
    trees: dict[int, Tree] = field(default_factory=lambda: {0: {}})
    kinds: dict[int, str] = field(default_factory=dict)
    cursor: int = 0

    def learn(self, work: History) -> list[Version]:
        """Take in what was recorded since last time; the new versions. Checks numbers and parents."""
        upto = work.cursor
        new = work.store.versions.of_entries(self.cursor + 1, upto)
        at = 0
        for entry in range(self.cursor + 1, upto + 1):
            recorded = work.store.journal.entry(entry)
            self.kinds[entry] = recorded.kind
            if recorded.kind == "branch" and recorded.detail["fork"] == entry - 1:
                self.others[recorded.detail["branch"]] = dict(self.of(recorded.detail["parent"]))
            while at < len(new) and new[at].entry == entry:
                self._take(work, new[at])
                at += 1
            self.trees[entry] = self.tree()
            self.other_trees |= {(branch, entry): self.tree(branch) for branch in self.others}
        self.cursor = upto
        for heads in (self.heads, *self.others.values()):
            paths = [head.path for head in heads.values() if head.exists]
            assert len(paths) == len(set(paths)), f"two documents at one path: {sorted(paths)}"
        return new

    def of(self, branch: int) -> dict[int, Version]:
        """The heads of a branch."""
        return self.heads if branch == MAIN else self.others.setdefault(branch, {})

    def _take(self, work: History, version: Version) -> None:
        document, number = version.document, version.number
        assert (document, number) not in self.states, "a version was numbered twice"
        assert number == 1 or (document, number - 1) in self.states, "a number was left out"
        for parent in (version.parent, version.merged):
            assert parent is None or (document, parent) in self.states, "a parent does not exist"
        self.states[document, number] = (version.path, version.mode, work.content(version))
        self.versions[document, number] = version
        self.of(version.branch)[document] = version

    def tree(self, branch: int = MAIN) -> Tree:
        return {
            head.path: (head.mode, self.states[head.document, head.number][2])
            for head in self.of(branch).values()
            if head.mode is not None
        }

    def bytes_of(self, version: Version) -> bytes:
        return self.states[version.document, version.number][2]

    def check_versions(self, work: History, sample: range | None = None) -> None:
        """Every version (or a sample) still reads as it did when it was made."""
        known = list(self.states)
        for document, number in known if sample is None else [known[i % len(known)] for i in sample if known]:
            version = work.store.versions.get(document, number)
            path, mode, data = self.states[document, number]
            assert (version.path, version.mode, work.content(version)) == (path, mode, data)

    def check_tree(self, work: History, cursor: int, branch: int | None = None) -> None:
        """The tree at a cursor is what it was then."""
        versions = work.store.versions.tree(work.branch.id if branch is None else branch, cursor).values()
        found = {v.path: (v.mode, work.content(v)) for v in versions if v.exists}
        known = self.trees[cursor] if branch in (None, MAIN) else self.other_trees[branch, cursor]
        assert found == known, f"the tree at {cursor} changed"

    def differing(self, root: Path, branch: int = MAIN) -> set[str]:
        """Paths whose file is not what their head says."""
        disk, tree = snapshot(root), self.tree(branch)
        return {path for path in disk.keys() | tree.keys() if disk.get(path) != tree.get(path)}
