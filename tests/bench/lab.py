"""What several benchmarks work on, made once in a run: repositories, stores and folders of many files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeVar

from workspace import Act, Workspace
from workspace.operations.git_import import import_git
from workspace.operations.search import index
from workspace.records import REGULAR, Edit, State
from workspace.store.store import Store

from .git import Git
from .source import Author, fast_import, history

T = TypeVar("T")
MODE = REGULAR | 0o644


@dataclass(frozen=True)
class Past:
    """One history twice: a packed repository, its pack in bytes, and a workspace that imported and indexed it."""

    name: str
    git: Git
    pack: int
    root: Path
    store: Path
    versions: int


@dataclass(frozen=True)
class Grown:
    """A workspace of many versions. ``cursors`` are the entries at which each pass over the documents ended."""

    root: Path
    store: Path
    paths: tuple[str, ...]
    versions: int
    cursors: tuple[int, ...]

    def open(self) -> Workspace:
        return Workspace.open(self.root, store=self.store)


class Lab:
    """A scratch folder and how large everything in it shall be."""

    def __init__(self, folder: Path, *, quick: bool = False, repositories: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.quick = quick
        self.repositories = tuple(repositories)
        self._made: dict[object, object] = {}

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """What is going on, for whoever waits."""
        print(f"  {text} …", file=sys.stderr, flush=True)

    def once(self, key: object, make: Callable[[], T]) -> T:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]

    # -- histories

    def histories(self) -> Iterator[Past]:
        """Histories to compare storage and reading on: the generated one, then the given ones."""
        yield self.generated()
        for number, repository in enumerate(self.repositories):
            name = repository.absolute().name.removesuffix(".git")
            folder = self.folder / f"given-{number}.git"
            yield self.once(
                ("given", repository),
                lambda n=name, r=repository, f=folder: self._recorded(n, Git.first_parents(r, f)),
            )

    def _recorded(self, name: str, git: Git) -> Past:
        self.say(f"importing the {name} history, and packing it with git")
        root = git.folder.with_suffix(".work")
        root.mkdir()
        store = git.folder.with_suffix(".store")
        with Workspace.open(root, store=store) as work:
            imported = import_git(work, git.folder)
            while index(work.store):
                pass
        return Past(name, git, git.packed(), root, store, imported.versions)

    def generated(self) -> Past:
        def make() -> Past:
            versions = self.scaled(8_000, 1_500)
            self.say(f"writing a history of {versions:,} versions")
            git = Git.create(self.folder / "generated.git")
            git.import_stream(fast_import(history(1, versions)))
            return self._recorded("generated", git)

        return self.once("generated", make)

    # -- workspaces

    def grown(self, documents: int, passes: int) -> Grown:
        """A workspace of ``documents`` files with ``passes`` versions each, made in as many random orders."""
        return self.once(("grown", documents, passes), lambda: self._grow(documents, passes))

    def _grow(self, documents: int, passes: int) -> Grown:
        if documents * passes > 5_000:
            self.say(f"recording {documents * passes:,} versions of {documents:,} documents")
        root = self.folder / f"grown-{documents}-{passes}"
        store = self.folder / f"grown-{documents}-{passes}.store"
        root.mkdir()
        author, random = Author(2), Random(3)
        paths = names(documents)
        texts = [author.program(min(author.length(), 400)) for _ in paths]
        heads: list[tuple[int, int, int] | None] = [None] * documents  # document, number, content
        order, cursors = list(range(documents)), []
        written = Store.open(store)
        for number in range(passes):
            random.shuffle(order)
            for start in range(0, documents, 1_000):
                with written.transaction():
                    for index in order[start : start + 1_000]:
                        head = heads[index]
                        if head is not None:
                            texts[index] = author.edit(texts[index]) or [b"\n"]
                        content = written.contents.put(b"".join(texts[index]), head[2] if head else None)
                        state = State(paths[index], MODE, content)
                        edit = Edit(head[0] if head else None, paths[index], state, head[1] if head else None)
                        act = Act(name=f"pass {number}", actor="bench")
                        entry, (made,) = written.record(act, [edit], branch=1)
                        heads[index] = (made.document, made.number, content)
            cursors.append(entry)
        written.close()
        for path, text in zip(paths, texts, strict=True):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"".join(text))
            (root / path).chmod(0o644)
        grown = Grown(root, store, tuple(paths), documents * passes, tuple(cursors))
        with grown.open() as work:  # meets the files that are already there
            work.catch_up()
        return grown

    def twins(self, files: int) -> tuple[Workspace, Git, tuple[str, ...]]:
        """Two equal folders of ``files`` files: one an open workspace, one beside a shadow repository.

        Both know their files already. The workspace stays open until the lab ends.
        """
        return self.once(("twins", files), lambda: self._twins(files))

    def _twins(self, files: int) -> tuple[Workspace, Git, tuple[str, ...]]:
        if files > 5_000:
            self.say(f"writing and recording {files:,} files twice")
        ours, theirs = self.folder / f"ours-{files}", self.folder / f"theirs-{files}"
        author = Author(4)
        paths = names(files)
        texts = [b"".join(author.program(min(author.length(), 300))) for _ in range(min(files, 1_000))]
        for number, path in enumerate(paths):
            for root in (ours, theirs):
                target = root / path
                if number % FOLDER == 0:
                    target.parent.mkdir(parents=True)
                target.write_bytes(b"# %d\n" % number + texts[number % len(texts)])
        git = Git.create(self.folder / f"theirs-{files}.git", theirs)
        git("add", "-A")
        git("write-tree")
        work = Workspace.open(ours, store=self.folder / f"ours-{files}.store")
        work.scan()
        time.sleep(0.1)  # files as young as a look at them are looked at again
        work.scan()
        git("status")
        return work, git, tuple(paths)

    def close(self) -> None:
        for made in self._made.values():
            if isinstance(made, tuple) and isinstance(made[0], Workspace):
                made[0].close()


FOLDER = 40
"""Files in a folder."""


@cache
def names(count: int) -> list[str]:
    """Paths of source files, ``FOLDER`` in a folder, two folders deep."""
    author = Author(5)
    folders: list[str] = []
    out = []
    for number in range(count):
        if number % FOLDER == 0:
            folders.append(f"{author.name()}/{author.name()}{len(folders)}")
        out.append(f"{folders[-1]}/{author.name()}{number}.py")
    return out
