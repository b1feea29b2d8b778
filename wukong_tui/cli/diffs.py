"""Differences between two states of documents, printed or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runtime.host.acts import by_path
from workspace import History, NotFound, Version, WorkspaceError
from workspace.amounts import size
from workspace.operations.addresses import Address
from workspace.store.lines import count, is_binary, unified
from workspace.visible import visible
from wukong_tui.cli.common import Style, columns, say


@dataclass(frozen=True, slots=True)
class Pair:
    """A document before and after: labels to print, contents (None: absent) and permissions."""

    path: str
    old_label: str
    new_label: str
    old: bytes | None
    new: bytes | None
    old_mode: int | None
    new_mode: int | None
    old_version: int | None = None
    new_version: int | None = None


def pairs_between(history: History, a: Address, b: Address | None) -> Iterator[Pair]:
    """From one address to another, by default to now. Raises WorkspaceError where they do not compare."""
    own = history.branch.id
    if a.path is not None and a.version is not None:
        if b is not None and b.path is not None and b.version is None:
            raise NotFound(f"{b.path} is a folder; compare it with a folder or a time.")
        if b is None:
            new = history.head(a.version.document)
        elif b.version is not None:
            new = b.version
        else:
            new = history.store.versions.at(a.version.document, b.branch or own, b.cursor)
        pair = _pair(history, a.version, new)
        if pair is not None:
            yield pair
        return
    if b is not None and b.version is not None:
        raise WorkspaceError(f"A whole workspace does not compare with {b.path}; name the document on both sides.")
    before = history.store.versions.tree(a.branch or own, a.cursor)
    after = history.store.versions.tree(b.branch or own if b else own, b.cursor if b else history.cursor)
    for document in sorted(before.keys() | after.keys(), key=lambda d: (after.get(d) or before[d]).path):
        old, new = before.get(document), after.get(document)
        if a.path is not None and not any(v and v.path.startswith(a.path + "/") for v in (old, new)):
            continue
        if (pair := _pair(history, old, new)) is not None:
            yield pair


def pairs_of_operation(history: History, operation: int) -> Iterator[Pair]:
    """What one operation did, document by document."""
    for version in by_path(history.store.versions.of_operation(operation)):
        parent = version.parent
        old = history.store.versions.get(version.document, parent) if parent is not None else None
        if (pair := _pair(history, old, version)) is not None:
            yield pair


def pairs_on_disk(history: History) -> Iterator[Pair]:
    """What is on disk and not recorded yet."""
    for difference in history.differences():
        head = history.find(difference.path)
        found = history.on_disk(difference.path)
        yield Pair(
            difference.path,
            f"{difference.path}@{head.number}" if head else "nothing",
            f"{difference.path} on disk" if found else "nothing",
            history.content(head) if head else None,
            found.data if found else None,
            head.mode if head else None,
            found.mode if found else None,
            head.number if head else None,
        )


def _pair(history: History, old: Version | None, new: Version | None) -> Pair | None:
    before, after = old.state if old else None, new.state if new else None
    if before == after:
        return None
    known = new or old
    assert known is not None
    return Pair(
        known.path,
        f"{old.path}@{old.number}" if old and before else "nothing",
        f"{new.path}@{new.number}" if new and after else "nothing",
        history.content(old) if old and before else None,
        history.content(new) if new and after else None,
        before.mode if before else None,
        after.mode if after else None,
        old.number if old else None,
        new.number if new else None,
    )


def print_pair(pair: Pair) -> None:
    """A unified diff for a person."""
    say(f"{pair.old_label} → {pair.new_label}", bold=True)
    if pair.old_mode is not None and pair.new_mode is not None and pair.old_mode != pair.new_mode:
        say(f"mode {pair.old_mode:o} → {pair.new_mode:o}", dim=True)
    old, new = pair.old or b"", pair.new or b""
    if is_binary(old) or is_binary(new):
        if old != new:
            say(f"binary, {size(len(old))} → {size(len(new))}", dim=True)
        return
    for sign, old_line, new_line, text in unified(old, new):
        if sign == "@":
            say(f"@@ line {old_line} → {new_line}", dim=True)
            continue
        style: Style = {"fg": "green"} if sign == "+" else {"fg": "red"} if sign == "-" else {}
        columns((sign + visible(text.removesuffix(b"\n"), tab="    "), style))
        if not text.endswith(b"\n"):
            say("\\ no line end", dim=True)


def record(pair: Pair) -> dict[str, object]:
    """One changed document of ``diff --json``; ``rows`` are [sign, old line, new line, text]."""
    old, new = pair.old or b"", pair.new or b""
    binary = is_binary(old) or is_binary(new)
    counted = count(old, new)
    return {
        "document": pair.path,
        "old_version": pair.old_version,
        "new_version": pair.new_version,
        "old_mode": pair.old_mode,
        "new_mode": pair.new_mode,
        "binary": binary,
        "added": counted[0] if counted else None,
        "removed": counted[1] if counted else None,
        "rows": []
        if binary
        else [
            [sign, old_line, new_line, text.decode("utf-8", "surrogateescape")]
            for sign, old_line, new_line, text in unified(old, new)
        ],
    }
