"""A process that writes to a workspace until it is killed: ``python -m tests.workspace.writer ROOT STORE SEED``.

Every line it prints is a promise: what it says was acknowledged. Before it edits a file as
somebody outside would, it says so, and again when that is done.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from random import Random

from workspace import Act, Version, Workspace, WorkspaceError

PATHS = ["a", "b", "c", "d/x", "d/y", "d/e/z"]


def main(root: Path, store: Path, seed: int) -> None:
    chance = Random(seed)
    with Workspace.open(root, store=store) as work:
        say(opened=work.cursor)
        while True:
            step(root, work, chance)


def step(root: Path, work: Workspace, chance: Random) -> None:
    """One act, or an edit behind the workspace's back."""
    path, other = chance.sample(PATHS, 2)
    kind = chance.choice(["write"] * 6 + ["batch", "move", "delete", "mode", "scan", "command", "undo", "restore"])
    if chance.random() < 0.15:
        outside(root / path, path, chance)
    before = work.cursor
    try:
        if kind == "write":
            work.write(path, text(work, path, chance))
        elif kind == "batch":
            with work.batch():
                for name in chance.sample(PATHS, 4):
                    work.write(name, text(work, name, chance))
        elif kind == "move":
            work.move(path, other)
        elif kind == "delete":
            work.delete(path)
        elif kind == "mode":
            work.set_mode(path, chance.choice([0o600, 0o644, 0o755]))
        elif kind == "scan":
            work.scan()
        elif kind == "command":
            operation = work.begin(Act(kind="call", name="run"))
            outside(root / other, other, chance)
            work.end(operation, captured=True)
        elif kind == "undo":
            work.undo()
        else:
            work.restore(cursor=chance.randrange(max(1, work.cursor - 20), work.cursor + 1))
    except WorkspaceError:
        pass  # what was recorded on the way is a promise all the same
    acknowledge(work, work.store.versions.of_entries(before + 1, work.cursor), kind)


def text(work: Workspace, path: str, chance: Random) -> bytes:
    """The document with a line changed, or a new one."""
    head = work.find(path)
    lines = work.content(head).splitlines(keepends=True) if head else [b"line %d\n" % n for n in range(40)]
    lines.insert(chance.randrange(len(lines) + 1), b"%016x by the agent\n" % chance.getrandbits(64))
    if len(lines) > 60:
        del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def outside(file: Path, path: str, chance: Random) -> None:
    """Edit a file as an editor does: a new one is renamed over it."""
    data = file.read_bytes() if file.is_file() else b""
    data += b"%016x by a person\n" % chance.getrandbits(64)
    say(editing=path)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(".wukong-tmp-editor")  # a name that no scan takes for a document
    new.write_bytes(data)
    new.rename(file)
    say(edited=path, digest=hashlib.sha256(data).hexdigest())


def acknowledge(work: Workspace, versions: list[Version], kind: str) -> None:
    made = [
        [v.document, v.number, v.path, v.mode, hashlib.sha256(work.content(v)).hexdigest() if v.exists else None]
        for v in versions
    ]
    say(done=kind, cursor=work.cursor, versions=made)


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
