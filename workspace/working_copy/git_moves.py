"""Where git's branches stand after a command, and where an undo would move them: read from the refs, without git."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workspace.working_copy.files import Blocked, Files
from workspace.working_copy.git_state import repository_of
from workspace.working_copy.outside import GIT, KEPT, Outside

_HEADS = "/.git/refs/heads/"


@dataclass(frozen=True, slots=True)
class BranchMove:
    """A branch of a repository (the path of its ``.git``), the commit that it is on and was on; "" for none."""

    repository: str
    branch: str
    now: str
    before: str

    def back(self) -> str:
        """What an undo does to it."""
        if not self.before:
            return f"branch {self.branch} goes away"
        return f"branch {self.branch} back from {self.now or 'nothing'} to {self.before}"

    def forth(self) -> str:
        """What was done to it."""
        return f"branch {self.branch} from {self.before or 'nothing'} to {self.now or 'nothing'}"


def branch_moves(root: Path, store: Path, rows: Sequence[Outside]) -> list[BranchMove]:
    """How changes that are in place moved branches. ``store`` is the folder with the kept files."""
    found = []
    here, kept = Files(root), Files(store)
    try:
        for row in rows:
            _, mark, branch = f"/{row.path}".partition(_HEADS)
            if row.reason == GIT and mark:
                now, before = _commit(here, row.path), _commit(kept, f"{KEPT}/{row.id}")
                found.append(BranchMove(repository_of(row.path), branch, now, before))
    finally:
        here.close()
        kept.close()
    return found


def _commit(files: Files, path: str) -> str:
    with suppress(OSError, Blocked):
        found = files.read(path)
        return found.data.decode("ascii", "replace").strip()[:7] if found is not None else ""
    return ""
