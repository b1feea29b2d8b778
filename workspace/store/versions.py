"""Documents and their versions on branches: what existed where, at any cursor."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from workspace.errors import Damaged, NotFound, WorkspaceError
from workspace.records import CHANGES, Branch, Change, Edit, State, Version, to_bytes, to_path
from workspace.store import lines
from workspace.store.contents import Contents
from workspace.store.engine import Connection, SqlRow

_SELECT = (
    "SELECT v.document, v.number, v.branch, v.parent, v.merged, v.entry, e.operation, v.change,"
    " p.name, v.mode, v.content, v.added, v.removed, c.size, c.digest, v.seal"
    " FROM version v JOIN entry e ON e.id = v.entry JOIN path p ON p.id = v.path"
    " LEFT JOIN content c ON c.id = v.content"
)
_SHOWN = _SELECT.replace(
    " FROM version v",
    ", (SELECT n.entry FROM version n NOT INDEXED WHERE n.document = v.document AND n.number > v.number"
    " AND n.branch = v.branch ORDER BY n.number LIMIT 1) FROM version v",
)
"""With the entry of the next version on the branch: what proves that an index has hidden nothing newer."""
_NEWEST = (
    "SELECT number FROM version INDEXED BY version_branch"
    " WHERE branch = ? AND document = {document} AND entry <= ? ORDER BY entry DESC, number DESC LIMIT 1"
)
_GET = f"{_SELECT} WHERE v.document = ? AND v.number = ?"
_AT = f"{_SHOWN} WHERE v.document = ? AND v.number = ({_NEWEST.format(document='?')})"
ROWS = 20_000
"""Versions kept in memory, at most."""


class Versions:
    """The version table: bounded queries by document, path, operation, branch and cursor."""

    def __init__(self, connection: Connection, contents: Contents, *, writing: bool = False) -> None:
        """``writing``: nobody else writes, so that what is remembered stays true."""
        self._db = connection
        self._writing = writing
        self._contents = contents
        self._paths: dict[bytes, int] = {}
        self._branches: dict[int, tuple[int | None, int | None]] = {}
        self._rows: dict[tuple[int, int], Version] = {}
        """Versions by document and number: a row never changes."""
        self._heads: dict[tuple[int, int], Version] = {}
        """By branch and document the newest version there, where we are the writer."""

    # -- branches

    def branches(self) -> list[Branch]:
        return [Branch(*row) for row in self._db.execute("SELECT id, name, parent, fork FROM branch")]

    def branch(self, name: str) -> Branch:
        row = self._db.execute("SELECT id, name, parent, fork FROM branch WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise NotFound(f"There is no branch {name!r}.")
        return Branch(*row)

    def branch_number(self, number: int) -> Branch:
        row = self._db.execute("SELECT id, name, parent, fork FROM branch WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise NotFound(f"There is no branch number {number}.")
        return Branch(*row)

    def add_branch(self, name: str, parent: int, fork: int) -> Branch:
        """Add a branch that is ``parent`` up to entry ``fork``; its entry is the caller's to write."""
        if self._db.execute("SELECT 1 FROM branch WHERE name = ?", (name,)).fetchone():
            raise WorkspaceError(f"There is already a branch {name!r}; choose another name.")
        (id_,) = self._db.execute(
            "INSERT INTO branch (name, parent, fork) VALUES (?,?,?) RETURNING id", (name, parent, fork)
        ).fetchone()
        return Branch(id_, name, parent, fork)

    def lineage(self, branch: int, cursor: int) -> list[tuple[int, int]]:
        """``(branch, newest entry)`` to look in, nearest first: the branch, then what it was before."""
        line = [(branch, cursor)]
        while True:
            parent, fork = self._origin(line[-1][0])
            if parent is None or fork is None:
                return line
            line.append((parent, min(line[-1][1], fork)))

    def _origin(self, branch: int) -> tuple[int | None, int | None]:
        if (known := self._branches.get(branch)) is not None:
            return known
        row = self._db.execute("SELECT parent, fork FROM branch WHERE id = ?", (branch,)).fetchone()
        if row is None:
            raise NotFound(f"There is no branch number {branch}.")
        self._branches[branch] = (row[0], row[1])
        return row[0], row[1]

    # -- reading

    def get(self, document: int, number: int) -> Version:
        if (known := self._rows.get((document, number))) is not None:
            return known
        row = self._db.execute(_GET, (document, number)).fetchone()
        if row is None:
            raise NotFound(f"There is no version {number} of this document.")
        return self._keep(_version(row))

    def at(self, document: int, branch: int, cursor: int) -> Version | None:
        """The version of a document that a branch shows at a cursor, deleted ones included."""
        for line, upto in self.lineage(branch, cursor):
            head = self._heads.get((line, document))
            if head is not None and head.entry <= upto:
                return head
            row = self._db.execute(_AT, (document, line, document, upto)).fetchone()
            if row is not None:
                version = self._keep(_shown(row, line, upto))
                if row[-1] is None:  # no later one
                    self._note_head(version)
                return version
        return None

    def step(self, document: int, branch: int, cursor: int, steps: int) -> Version | None:
        """The version ``steps`` after the one that a branch shows at the cursor (before it, where negative).

        As far as there are any; None where there is none that way.
        """
        lineage = self.lineage(branch, 1 << 62 if steps > 0 else cursor)
        if steps > 0:
            lineage.reverse()
        order = "ASC" if steps > 0 else "DESC"
        left, found = abs(steps), None
        if steps < 0:
            left += 1  # the first one found is the one shown
        for line, upto in lineage:
            low, high = (cursor, upto) if steps > 0 else (0, min(upto, cursor))
            rows = self._db.execute(
                "SELECT number FROM version INDEXED BY version_branch WHERE branch = ? AND document = ?"
                f" AND entry > ? AND entry <= ? ORDER BY entry {order}, number {order} LIMIT ?",
                (line, document, low, high, left),
            ).fetchall()
            if rows:
                found = rows[-1][0]
                left -= len(rows)
            if left <= 0:
                break
        if found is None:
            return None
        version = self.get(document, found)
        shown = self.at(document, branch, cursor) if steps < 0 else None
        return None if shown is not None and shown.number == version.number else version

    def newest(self, cursor: int, limit: int = 1) -> list[tuple[int, int]]:
        """``(document, entry)`` of the newest versions of any document up to the cursor, newest first."""
        rows = self._db.execute(
            "SELECT document, entry FROM version INDEXED BY version_entry WHERE entry <= ?"
            " ORDER BY entry DESC, document DESC, number DESC LIMIT ?",
            (cursor, limit),
        )
        return [(document, entry) for document, entry in rows.fetchall()]

    def find(self, path: str, branch: int, cursor: int) -> Version | None:
        """The existing document at ``path``, as the branch shows it at the cursor."""
        for document in self.ever_at(path):
            version = self.at(document, branch, cursor)
            if version is not None and version.exists and version.path == path:
                return version
        return None

    def ever_at(self, path: str) -> list[int]:
        """Documents that were at ``path`` at any time, newest first."""
        if (known := self.known_path(path)) is None:
            return []
        rows = self._db.execute("SELECT document FROM place WHERE path = ? ORDER BY document DESC", (known,))
        return [document for (document,) in rows]

    def any_below(self, folder: str, branch: int, cursor: int) -> bool:
        """Whether an existing document is below a folder, as the branch shows it at the cursor."""
        low, high = to_bytes(f"{folder}/"), to_bytes(f"{folder}0")  # "0" follows "/"
        rows = self._db.execute(
            "SELECT DISTINCT o.document FROM path p JOIN place o ON o.path = p.id WHERE p.name >= ? AND p.name < ?",
            (low, high),
        ).fetchall()
        for (document,) in rows:
            version = self.at(document, branch, cursor)
            if version is not None and version.exists and low <= to_bytes(version.path) < high:
                return True
        return False

    def known_path(self, path: str) -> int | None:
        """The number of a path name, if it ever had one."""
        name = to_bytes(path)
        if (known := self._paths.get(name)) is not None:
            return known
        row = self._db.execute("SELECT id FROM path WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def tree(self, branch: int, cursor: int) -> dict[int, Version]:
        """Every document that the branch has seen up to the cursor, deleted ones included.

        Cost follows the number of documents, not the length of their history.
        """
        found: dict[int, Version] = {}
        for line, upto in self.lineage(branch, cursor):
            at = 0
            while True:  # in pages, so that no read stays open for long
                rows = self._db.execute(
                    "WITH page AS (SELECT id FROM document WHERE id > ? ORDER BY id LIMIT 5000)"
                    f" {_SHOWN.replace(') FROM version v', ') FROM page JOIN version v ON v.document = page.id')}"
                    f" WHERE v.number = ({_NEWEST.format(document='page.id')})",
                    (at, line, upto),
                ).fetchall()
                for row in rows:
                    found.setdefault(row[0], _shown(row, line, upto))
                (end,) = self._db.execute(
                    "SELECT max(id) FROM (SELECT id FROM document WHERE id > ? ORDER BY id LIMIT 5000)", (at,)
                ).fetchone()
                if end is None:
                    break
                at = end
        return found

    def history(
        self, document: int, *, after: int = 0, before: int | None = None, limit: int = 500, newest_first: bool = True
    ) -> list[Version]:
        """A page of a document's versions by number, across branches."""
        order = "DESC" if newest_first else "ASC"
        rows = self._db.execute(
            f"{_SELECT} WHERE v.document = ? AND v.number > ? AND v.number < ? ORDER BY v.number {order} LIMIT ?",
            (document, after, before if before is not None else 1 << 62, limit),
        ).fetchall()
        return [_version(row) for row in rows]

    def of_entries(self, first: int, last: int) -> list[Version]:
        """The versions made by the entries ``first`` to ``last``, in order."""
        rows = self._db.execute(
            f"{_SELECT} WHERE v.entry >= ? AND v.entry <= ? ORDER BY v.entry, v.document, v.number", (first, last)
        ).fetchall()
        return [_version(row) for row in rows]

    def of_operation(self, operation: int) -> list[Version]:
        """The versions that one operation made, in order."""
        rows = self._db.execute(
            f"{_SELECT} WHERE v.entry = ? OR v.entry IN"
            " (SELECT id FROM entry WHERE operation = ? AND phase >= 2) ORDER BY v.entry, v.document, v.number",
            (operation, operation),
        ).fetchall()
        return [_version(row) for row in rows]

    def tally(self, operation: int, cursor: int, *, caused: bool = False) -> tuple[int, str, int | None, int | None]:
        """What an operation did to documents up to the cursor: how many, one path, lines added and removed.

        ``caused``: what the operations did that it caused directly. Lines are None where all is binary.
        """
        entries = (
            "SELECT id FROM entry WHERE parent = ?"
            if caused
            else ("SELECT ? UNION ALL SELECT id FROM entry WHERE operation = ? AND phase >= 2")
        )
        row = self._db.execute(
            "SELECT count(DISTINCT v.document), max(v.path), sum(v.added), sum(v.removed)"
            f" FROM version v INDEXED BY version_entry WHERE v.entry IN ({entries}) AND v.entry <= ?",
            (operation, cursor) if caused else (operation, operation, cursor),
        ).fetchone()
        if not row[0]:
            return 0, "", None, None
        (name,) = self._db.execute("SELECT name FROM path WHERE id = ?", (row[1],)).fetchone()
        return int(row[0]), to_path(name), row[2], row[3]

    def holding(self, document: int, mode: int, content: int, since: int = 1) -> int | None:
        """The newest version of a document, numbered ``since`` or above, with this mode and content."""
        (number,) = self._db.execute(
            "SELECT max(number) FROM version WHERE document = ? AND number >= ? AND mode = ? AND content = ?",
            (document, since, mode, content),
        ).fetchone()
        return number if number is None else int(number)

    def paths_of(self, document: int) -> list[str]:
        """Every path at which a document ever was."""
        rows = self._db.execute(
            "SELECT name FROM path WHERE id IN (SELECT path FROM version WHERE document = ?)", (document,)
        )
        return [to_path(name) for (name,) in rows]

    def changed_after(self, cursor: int) -> list[int]:
        """The documents that have versions newer than an entry, on any branch."""
        rows = self._db.execute(
            "SELECT DISTINCT document FROM version INDEXED BY version_entry WHERE entry > ? ORDER BY document",
            (cursor,),
        )
        return [document for (document,) in rows.fetchall()]

    def line(self, version: Version) -> Iterator[Version]:
        """A version and its first parents, back to the document's beginning."""
        at: Version | None = version
        page: dict[int, Version] = {}
        while at is not None:
            yield at
            if at.parent is None:
                return
            if at.parent not in page:
                page = {v.number: v for v in self.history(at.document, before=at.parent + 1, limit=256)}
            at = page.get(at.parent)

    def bytes_of(self, version: Version) -> bytes:
        """The exact bytes of a version (of a symlink its target); empty where it is deleted."""
        return b"" if version.content is None else self._contents.get(version.content)

    # -- writing

    def rows_for(self, edits: Sequence[Edit]) -> list[tuple[Edit, SqlRow]]:
        """Number the edits and describe each as the plain row that the chain covers."""
        out: list[tuple[Edit, SqlRow]] = []
        fresh = 0
        numbers: dict[int, int] = {}
        for edit in edits:
            document = edit.document
            if document is None:
                (newest,) = self._db.execute("SELECT max(id) FROM document").fetchone()
                fresh += 1
                document = (newest or 0) + fresh
            if document not in numbers:
                row = self._db.execute("SELECT numbers FROM document WHERE id = ?", (document,)).fetchone()
                numbers[document] = row[0] if row else 0
            numbers[document] += 1
            before = self.get(document, edit.parent) if edit.parent is not None else None
            added, removed = edit.lines or self._counts(before, edit.state)
            out.append(
                (
                    edit,
                    [
                        document, numbers[document], edit.parent, edit.merged, _change(before, edit),
                        edit.path, edit.state.mode if edit.state else None,
                        self._contents.digest_of(edit.state.content).hex() if edit.state else None, added, removed,
                    ],
                )
            )  # fmt: skip
        return out

    def insert(self, entry: int, branch: int, rows: Sequence[tuple[Edit, SqlRow]]) -> list[Version]:
        """Insert numbered rows under their entry; the versions they are."""
        made = []
        for edit, (document, number, parent, merged, change, path, mode, name, added, removed) in rows:
            path_id = self.path_id(path)
            self._db.execute(
                "INSERT INTO version (document, number, branch, parent, merged, entry, change, path,"
                " mode, content, added, removed, seal) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    document, number, branch, parent, merged, entry, CHANGES.index(change), path_id,
                    mode, edit.state.content if edit.state else None, added, removed,
                    seal_of(document, number, branch, parent, merged, entry, CHANGES.index(change),
                          to_bytes(path), mode, added, removed, name and bytes.fromhex(name)),
                ),
            )  # fmt: skip
            if number == 1:
                self._db.execute("INSERT INTO document (id, numbers) VALUES (?, 1)", (document,))
            else:
                self._db.execute("UPDATE document SET numbers = ? WHERE id = ?", (number, document))
            if change in ("create", "rename"):
                self._db.execute("INSERT OR IGNORE INTO place (path, document) VALUES (?,?)", (path_id, document))
            made.append(self.get(document, number))
            self._note_head(made[-1])
        return made

    def path_id(self, path: str) -> int:
        """The number of a path name, given out on first use."""
        name = to_bytes(path)
        known = self.known_path(path)
        if known is None:
            (known,) = self._db.execute("INSERT INTO path (name) VALUES (?) RETURNING id", (name,)).fetchone()
        if len(self._paths) < 100_000:
            self._paths[name] = known
        return int(known)

    def forget_caches(self) -> None:
        """Drop what was interned in a transaction that was rolled back."""
        self._paths.clear()
        self._branches.clear()
        self._rows.clear()
        self._heads.clear()

    def _note_head(self, version: Version) -> None:
        if len(self._heads) >= ROWS:
            self._heads.clear()
        if self._writing:
            self._heads[version.branch, version.document] = version

    def _keep(self, version: Version) -> Version:
        if len(self._rows) >= ROWS:
            self._rows.clear()
        self._rows[version.document, version.number] = version
        return version

    def _counts(self, before: Version | None, state: State | None) -> tuple[int | None, int | None]:
        old_id = before.content if before else None
        new_id = state.content if state else None
        if old_id == new_id:
            return 0, 0
        get = self._contents.get
        try:
            counted = lines.count(get(old_id) if old_id else b"", get(new_id) if new_id else b"")
        except Damaged:
            counted = None
        return counted if counted else (None, None)


def _change(before: Version | None, edit: Edit) -> Change:
    state = edit.state
    if state is None:
        return "delete"
    if before is None or not before.exists:
        return "create"
    if before.path != state.path:
        return "rename"
    return "mode" if before.content == state.content and before.mode != state.mode else "edit"


def _version(row: SqlRow) -> Version:
    """A row of _SELECT as a record. Raises Damaged where it is not what was written."""
    document, number, branch, parent, merged, entry, operation, change, path, *rest = row
    mode, content, added, removed, size, name, seal = rest[:7]
    if seal != seal_of(document, number, branch, parent, merged, entry, change, path, mode, added, removed, name):
        raise Damaged("The record of a version is damaged; run `wukong verify`.")
    return Version(
        document, number, branch, parent, merged, entry, operation, CHANGES[change], to_path(path),
        mode, content, added, removed, size,
    )  # fmt: skip


def _shown(row: SqlRow, branch: int, cursor: int) -> Version:
    """A row of _SHOWN, found through an index, as the newest of its branch at the cursor. Raises Damaged."""
    version, following = _version(row), row[-1]
    last = following is None or (isinstance(following, int) and following > cursor)
    if version.branch != branch or version.entry > cursor or not last:
        raise Damaged(f"The order of versions of {version.path} is damaged; run `wukong verify`.")
    return version


def seal_of(*values: int | bytes | None) -> int:
    """A check over a version's row, its path and the digest of its content: a damaged row is never believed."""
    return zlib.crc32(ascii(values).encode()) - (1 << 31)  # signed, so that it is stored in 4 bytes
