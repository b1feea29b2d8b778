"""Capabilities on documents: read, list, search, edit, write, move, delete."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable

import regex
from rapidfuzz import fuzz

from runtime.tools.capability import Arguments, Capability, Effect, Hands, Refused, Result
from runtime.tools.schema import Schema
from workspace import Version
from workspace.store.lines import is_binary

SCORE = 90.0
"""Likeness, 0 to 100, below which a fuzzy edit is refused."""
MARGIN = 3.0
"""By how much the best place must beat the second best."""
FUZZY_LINES = 20_000
READ_LINES = 2_000
HITS = 200
SEARCH_SECONDS = 2.0
"""A search holds up the writer; a pattern that goes wrong must not."""

_PATH = {"type": "string", "description": "path inside the workspace"}


def _text(version: Version, content: bytes) -> str:
    if is_binary(content):
        raise Refused(f"{version.path} is binary, {len(content):,} bytes.")
    return content.decode("utf-8", "surrogateescape")


def _existing(hands: Hands, path: str) -> Version:
    hands.work.notice(path)
    version = hands.work.find(path)
    if version is None:
        near = [p for p in hands.work.tree() if p.rpartition("/")[2] == path.rpartition("/")[2]]
        hint = f" Did you mean {', '.join(near[:3])}?" if near else ""
        raise Refused(f"There is no document at {path}.{hint}")
    return version


def _done(version: Version, note: str = "") -> Result:
    lines = "binary" if version.added is None else f"+{version.added} -{version.removed} lines"
    return Result(f"{version.path}@{version.number}: {lines}{note}")


def read(hands: Hands, arguments: Arguments) -> Result:
    path = hands.path(arguments["path"])
    version = _existing(hands, path)
    lines = _text(version, hands.work.content(version)).split("\n")
    hands.seen[path] = version.number
    if hands.in_program and "start" not in arguments and "lines" not in arguments:
        return Result("\n".join(lines))
    start = max(1, arguments.get("start", 1))
    part = lines[start - 1 : start - 1 + arguments.get("lines", READ_LINES)]
    whole = len(part) == len(lines)
    head = f"{path}@{version.number}" + (
        "" if whole else f", lines {start} to {start + len(part) - 1} of {len(lines)}"
    )
    return Result(f"{head}\n" + "\n".join(part).encode("utf-8", "replace").decode())


def list_(hands: Hands, arguments: Arguments) -> Result:
    pattern = hands.path(arguments.get("pattern", "")) or "*"
    tree = hands.work.tree()
    found = [p for p in sorted(tree) if fnmatch.fnmatchcase(p, pattern) or p.startswith(pattern.rstrip("/*") + "/")]
    rows = [f"{p}@{tree[p].number}  {tree[p].size or 0:,} bytes" for p in found[:1000]]
    if len(found) > 1000:
        rows.append(f"… and {len(found) - 1000:,} more")
    return Result("\n".join(rows).encode("utf-8", "replace").decode() or "No documents.")


def search(hands: Hands, arguments: Arguments) -> Result:
    try:
        wanted = regex.compile(arguments["text"] if arguments.get("regex") else regex.escape(arguments["text"]))
    except regex.error as error:
        raise Refused(f"This is no regular expression: {error}.") from None
    pattern = hands.path(arguments.get("pattern", "")) or "*"
    hits: list[str] = []
    deadline = time.monotonic() + SEARCH_SECONDS
    for path, version in sorted(hands.work.tree().items()):
        if not fnmatch.fnmatchcase(path, pattern):
            continue
        content = hands.work.content(version)
        if is_binary(content):
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
            try:
                found = wanted.search(line, timeout=max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                raise Refused(f"This search takes longer than {SEARCH_SECONDS} s; make it simpler.") from None
            if found:
                hits.append(f"{path}:{number}: {line[:240]}")
                if len(hits) == HITS:
                    return Result("\n".join([*hits, f"… more than {HITS} hits"]))
    return Result("\n".join(hits) or "No hits.")


def edit(hands: Hands, arguments: Arguments) -> Result:
    path, old, new = hands.path(arguments["path"]), arguments["old"], arguments["new"]
    version = _existing(hands, path)
    text = _text(version, hands.work.content(version))
    if not old:
        raise Refused("old is empty; say which text to replace, or use write.")
    note = ""
    count = text.count(old)
    if count == 1 or (count > 1 and arguments.get("all")):
        text = text.replace(old, new)
    elif count > 1:
        raise Refused(f"old occurs {count} times in {path}; give more of its surroundings, or all=true.")
    else:
        start, end, score = _closest(text, old, path)
        text = text[:start] + new + text[end:]
        note = f", placed by likeness, score {score:.0f} of 100"
    data = text.encode("utf-8", "surrogateescape")
    made = hands.work.write(path, data, read=version.number, act=hands.act)
    hands.seen[path] = made.number
    return _done(made, note)


def _closest(text: str, old: str, path: str) -> tuple[int, int, float]:
    """The lines of ``text`` most like ``old``: where they start and end, and how like. Raises Refused."""
    lines = text.splitlines(keepends=True)
    height = len(old.splitlines())
    if len(lines) > FUZZY_LINES or height == 0:
        raise Refused(f"old does not occur in {path}.")
    bare = old.strip("\n")
    scores = []
    for at in range(max(1, len(lines) - height + 1)):
        window = "".join(lines[at : at + height]).strip("\n")
        scores.append((fuzz.ratio(window, bare, score_cutoff=50), at))
    scores.sort(reverse=True)
    best, at = scores[0] if scores else (0.0, 0)
    second = next((score for score, other in scores[1:] if abs(other - at) >= height), 0.0)
    if best < SCORE or best - second < MARGIN:
        raise Refused(
            f"old does not occur in {path}; the most alike lines start at {at + 1} (score {best:.0f} of 100,"
            f" {SCORE:.0f} is needed). Read it again."
        )
    start = sum(len(line) for line in lines[:at])
    window = "".join(lines[at : at + height])
    end = start + len(window)
    return start, end if old.endswith("\n") else end - (len(window) - len(window.rstrip("\n"))), best


def write(hands: Hands, arguments: Arguments) -> Result:
    path = hands.path(arguments["path"])
    hands.work.notice(path)
    head = hands.work.find(path)
    version = arguments.get("version", hands.seen.get(path))
    if head is not None and version is None and hands.in_program:
        version = head.number
    if head is not None and version is None:
        raise Refused(f"{path} exists at version {head.number}; read it first, or give the version you replace.")
    data = arguments["text"].encode("utf-8", "surrogateescape")
    mode = 0o755 if arguments.get("executable") else None
    made = hands.work.write(path, data, read=version if head else None, mode=mode, act=hands.act)
    hands.seen[path] = made.number
    return _done(made)


def move(hands: Hands, arguments: Arguments) -> Result:
    made = hands.work.move(hands.path(arguments["path"]), hands.path(arguments["to"]), act=hands.act)
    return Result(f"{made.path}@{made.number}: renamed")


def delete(hands: Hands, arguments: Arguments) -> Result:
    path = hands.path(arguments["path"])
    _existing(hands, path)
    made = hands.work.delete(path, act=hands.act)
    return Result(f"{path} deleted as version {made.number}")


def _of(
    name: str,
    act: Callable[[Hands, Arguments], Result],
    summary: str,
    required: tuple[str, ...],
    effect: Effect,
    **parameters: Schema,
) -> Capability:
    return Capability(name, summary, parameters, required, frozenset({effect}), act)


CAPABILITIES = (
    _of(
        "read", read, "Read a document: its path@version, then its text.", ("path",), "read",
        path=_PATH,
        start={"type": "integer", "description": "first line, from 1"},
        lines={"type": "integer", "description": f"how many lines, {READ_LINES} by default"},
    ),
    _of(
        "list", list_, "List documents with version and size.", (), "read",
        pattern={"type": "string", "description": "a folder, or a pattern such as src/*.py"},
    ),
    _of(
        "search", search, "Find text in the documents: path:line: text.", ("text",), "read",
        text={"type": "string", "description": "what to find"},
        regex={"type": "boolean", "description": "text is a regular expression"},
        pattern={"type": "string", "description": "only in documents of this pattern"},
    ),
    _of(
        "edit", edit, "Replace one passage of a document; old must occur once.", ("path", "old", "new"), "write",
        path=_PATH,
        old={"type": "string", "description": "the exact present text"},
        new={"type": "string", "description": "what takes its place"},
        all={"type": "boolean", "description": "replace every occurrence"},
    ),
    _of(
        "write", write, "Write a whole document; an existing one has to be read first.", ("path", "text"), "write",
        path=_PATH,
        text={"type": "string", "description": "all of its text"},
        version={"type": "integer", "description": "the version that is replaced"},
        executable={"type": "boolean", "description": "make it executable"},
    ),
    _of(
        "move", move, "Rename a document; it keeps its history.", ("path", "to"), "write",
        path=_PATH, to={"type": "string", "description": "its new path"},
    ),
    _of("delete", delete, "Delete a document; its versions stay.", ("path",), "write", path=_PATH),
)  # fmt: skip
