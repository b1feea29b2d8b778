"""Change sets that wait: of commands whose host died before they went in, and those about which a person has to say.

Beside each upper folder lies a small record of it, whole and durable before the folder is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workspace.errors import NotFound
from workspace.working_copy.changeset import Taken, Upper
from workspace.working_copy.files import Stamp

FOLDER = "overlays"
"""The folder of the store with the overlays of sessions."""
SETS = "sets"
"""The folder in it with change sets that their commands have left, each named by its operation."""
TAKEN = ".taken"
"""Ending of the name of what is known of an upper folder that was live, beside it."""
OWNER = "owner.json"
"""The record of an overlay that may still be in use, in its session's folder."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change set that waits. ``held``: what it would destroy that cannot be kept, with its size in bytes."""

    upper: Upper
    held: tuple[tuple[str, int], ...] = ()


def save(upper: Upper, held: Sequence[tuple[str, int]] = ()) -> None:
    """Record an upper folder that waits, or why it is held."""
    write(upper.folder.with_name(f"{upper.folder.name}.json"), record(upper, held))


def forget(upper: Upper) -> None:
    """Remove the records of a change set that went in or was dropped; its folder is the caller's to remove."""
    for ending in (".json", TAKEN):
        upper.folder.with_name(f"{upper.folder.name}{ending}").unlink(missing_ok=True)


def save_taken(upper: Upper, taken: Taken) -> None:
    """Record what was taken from a live upper folder: after a death of the host it is not taken again."""
    known = {"stamps": taken.stamps, "same": taken.same, "entries": taken.entries}
    write(upper.folder.with_name(f"{upper.folder.name}{TAKEN}"), json.dumps(known).encode())


def taken_from(upper: Upper) -> Taken | None:
    """What was recorded of an upper folder that was live; None where nothing is, or it cannot be read."""
    try:
        found = json.loads(upper.folder.with_name(f"{upper.folder.name}{TAKEN}").read_bytes())
        stamps, same = ({path: Stamp(*of) for path, of in found[name].items()} for name in ("stamps", "same"))
        return Taken(stamps, same, dict(found["entries"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def set_apart(store: Path, upper: Upper, operation: int) -> Upper:
    """Move an overlay's upper folder, on which nothing lives, to where change sets wait, unless it is there."""
    sets = store / FOLDER / SETS
    if upper.folder.parent == sets:
        return upper
    sets.mkdir(mode=0o700, exist_ok=True)
    apart = replace(upper, folder=sets / str(operation), operation=operation)
    save(apart)
    if (taken := taken_from(upper)) is not None:
        save_taken(apart, taken)
    upper.folder.rename(apart.folder)
    forget(upper)  # the next folder of this name is another one
    return apart


def waiting(store: Path) -> list[Waiting]:
    """All change sets that wait, oldest first; those of overlays in use too, so ask for them where none is."""
    found = []
    for path in [*(store / FOLDER).glob(f"*/{OWNER}"), *(store / FOLDER / SETS).glob("*.json")]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            one = _read(json.loads(path.read_text("utf-8")), path)
            if one.upper.folder.is_dir() and any(os.scandir(one.upper.folder)):
                found.append(one)
    return sorted(found, key=lambda one: (one.upper.mounted, one.upper.operation))


def may_hold_changes(folder: Path) -> bool:
    """Whether a session's folder has changes that are in no change set yet; one without a record never has."""
    try:
        return (folder / OWNER).exists() and any(os.scandir(folder / "upper"))
    except FileNotFoundError:
        return False


def held(store: Path, operation: int | None = None) -> list[Waiting]:
    """The change sets about which a person has to say, or that of one operation. Raises NotFound."""
    found = [one for one in waiting(store) if one.held and operation in (None, one.upper.operation)]
    if operation is not None and not found:
        raise NotFound(f"No change set of op:{operation} waits; `wukong pending` lists those that do.")
    return found


def record(upper: Upper, held: Sequence[tuple[str, int]] = ()) -> bytes:
    """What is recorded of an upper folder."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return json.dumps(
        {
            "operation": upper.operation, "session": upper.session, "entry": upper.entry, "mounted": upper.mounted,
            "upper": upper.folder.name, "same_filesystem": upper.same_filesystem, "hidden": sorted(upper.hidden),
            "held": [list(one) for one in held], "boot": boot.read_text().strip() if boot.exists() else "",
        }
    ).encode()  # fmt: skip


def write(path: Path, content: bytes) -> None:
    """Write a file that is whole and durable, or was not written."""
    beside = path.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(beside, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(found: dict[str, Any], path: Path) -> Waiting:
    upper = Upper(
        path.parent / found["upper"], found["mounted"], found["entry"], found["operation"], found["session"],
        False, found["same_filesystem"], frozenset(found["hidden"]),
    )  # fmt: skip
    return Waiting(upper, tuple((name, size) for name, size in found.get("held", ())))
