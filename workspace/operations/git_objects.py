"""Reading a git repository through dulwich, which is loaded here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from workspace.entries import ImportEntry
from workspace.errors import NotFound, WorkspaceError
from workspace.kinds import Kind
from workspace.records import Act, to_path

if TYPE_CHECKING:
    from dulwich.objects import ObjectID, TreeEntry

_AUTHOR = re.compile(rb"^(.*?) (-?\d{1,18}) [+-]\d+$", re.DOTALL)


class File(NamedTuple):
    """A file of a commit's tree: its git mode and the id of its bytes."""

    path: str
    mode: int
    blob: ObjectID


class Commit(NamedTuple):
    """A commit: its tree, its first parent and the act that stands for it."""

    tree: ObjectID
    parent: ObjectID | None
    act: Act


class GitRepository:
    """The parts of a git repository that an import reads."""

    def __init__(self, path: Path) -> None:
        from dulwich.errors import NotGitRepository
        from dulwich.repo import Repo

        try:
            self._repo = Repo(str(path))
        except (NotGitRepository, OSError) as error:
            raise NotFound(f"There is no git repository at {path}.") from error
        self._path = path
        self._shallow = self._repo.get_shallow()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._repo.close()

    @property
    def folder(self) -> Path | None:
        """The working directory of the repository, without links; None for a bare one."""
        return None if self._repo.bare else Path(self._repo.path).resolve()

    def resolve(self, ref: str | None) -> ObjectID:
        """The commit that a ref or an abbreviated id names, HEAD for None. Raises NotFound."""
        from dulwich.objectspec import AmbiguousShortId, parse_commit

        try:
            return parse_commit(self._repo, ref or "HEAD").id
        except (KeyError, ValueError, AmbiguousShortId) as error:
            what = f"no commit {ref!r}" if ref else "no commits yet"
            raise NotFound(f"The repository at {self._path} has {what}.") from error

    def commit(self, id_: ObjectID) -> Commit:
        """A commit, read leniently: what is malformed elsewhere must not stop an import."""
        head, _, message = self._raw(id_).partition(b"\n\n")
        fields: dict[bytes, bytes] = {}
        for line in head.split(b"\n"):
            name, _, value = line.partition(b" ")
            fields.setdefault(name, value)
        encoding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")
        text = _decode(message, encoding).strip("\n")
        subject = text.partition("\n")[0].strip()
        author = fields.get(b"author", b"")
        dated = _AUTHOR.match(author)
        act = Act(
            kind=Kind.IMPORT,
            name=subject,
            actor=_decode(dated[1] if dated else author, encoding),
            ref=bytes.fromhex(id_.decode("ascii")),
            at=int(dated[2]) * 1_000_000 if dated else None,
            detail=ImportEntry(text if text != subject else "").detail(),
        )
        parent = None if id_ in self._shallow else _id(fields.get(b"parent"))
        tree = _id(fields.get(b"tree"))
        if tree is None:
            raise WorkspaceError(f"Commit {id_.decode()} of {self._path} is damaged; run `git fsck` there.")
        return Commit(tree, parent, act)

    def changes(self, before: ObjectID | None, after: ObjectID) -> Iterator[tuple[File | None, File | None]]:
        """The files that differ between two trees: ``(old, new)``, None for absence."""
        from dulwich.diff_tree import tree_changes

        try:
            for change in tree_changes(self._repo.object_store, before, after, change_type_same=True):
                yield _file(change.old), _file(change.new)
        except KeyError as error:
            raise self._incomplete(error) from error

    def blob(self, id_: ObjectID) -> bytes | None:
        """A file's bytes; None where this clone does not have them."""
        try:
            return self._repo.object_store.get_raw(id_)[1]
        except KeyError:
            return None

    def _raw(self, id_: ObjectID) -> bytes:
        try:
            return self._repo.object_store.get_raw(id_)[1]
        except KeyError as error:
            raise self._incomplete(error) from error

    def _incomplete(self, error: KeyError) -> WorkspaceError:
        return WorkspaceError(
            f"The repository at {self._path} lacks the object {error}; fetch its whole history and import again."
        )


def _id(text: bytes | None) -> ObjectID | None:
    from dulwich.objects import ObjectID

    return ObjectID(text) if text else None


def _decode(text: bytes, encoding: str) -> str:
    for name in (encoding, "utf-8"):
        try:
            return text.decode(name)
        except (LookupError, ValueError):
            continue
    return text.decode("latin-1")


def _file(entry: TreeEntry | None) -> File | None:
    return File(to_path(entry.path), entry.mode, entry.sha) if entry else None
