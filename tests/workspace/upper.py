"""Upper folders as an overlay leaves them, made by hand: whiteouts, opaque folders, copied-up files."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from workspace import Act, Workspace
from workspace.kinds import Kind
from workspace.operations.lay_in import Laid, lay_in
from workspace.working_copy import waiting
from workspace.working_copy.changeset import Upper

RUN = Act(kind=Kind.CAPABILITY, name="run", actor="agent", session="s1")


@dataclass
class Command:
    """What one command did, as its overlay would hold it; paths are below the workspace."""

    work: Workspace
    upper: Upper

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        target = self.upper.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    def remove(self, path: str) -> None:
        """Remove what lies below."""
        target = self.upper.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(target, 0o020000, 0)

    def replace_folder(self, path: str) -> Path:
        """A folder that was removed and made again."""
        target = self.upper.folder / path
        target.mkdir(parents=True, exist_ok=True)
        os.setxattr(target, "user.overlay.opaque", b"y")
        return target

    def move(self, path: str, to: str) -> None:
        """A file that was renamed: copied up, and a whiteout in its old place."""
        self.write(to, (self.work.root / path).read_bytes())
        self.remove(path)

    @property
    def act(self) -> Act:
        return Act(kind=RUN.kind, name=RUN.name, actor="agent", session="s1", operation=self.upper.operation)

    def lay_in(self) -> Laid:
        """Lay it in, and end its operation."""
        laid = lay_in(self.work, self.upper, self.act)
        self.work.end(self.upper.operation)
        return laid


def begin(work: Workspace) -> Command:
    """Begin a command on an overlay of the workspace, mounted now."""
    operation = work.begin(RUN)
    folder = work.folder / waiting.FOLDER / waiting.SETS / str(operation)
    folder.mkdir(parents=True)
    settle(work.root)
    mounted = folder.stat().st_ctime_ns
    upper = Upper(folder, mounted, work.cursor, operation, "s1")
    waiting.save(upper)
    return Command(work, upper)


def settle(root: Path) -> None:
    """Let the clock of the file system pass what was done before, as it does between two commands of a person."""
    probe = root / ".wukong-tmp-clock"
    probe.touch()
    first = probe.stat().st_ctime_ns
    while True:
        probe.unlink()
        probe.touch()
        if probe.stat().st_ctime_ns > first:
            break
        time.sleep(0)
    probe.unlink()
