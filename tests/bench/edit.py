"""Recording an edit, durable: a write to an open workspace against a shadow repository's add and write-tree.

Ours writes the file, commits and syncs; git gets the file written for it and syncs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from statistics import median

from .lab import Lab
from .measure import Row, Target, alternate, spread
from .source import Author


def rows(lab: Lab) -> Iterator[Row]:
    small, large = lab.scaled(700, 700), lab.scaled(60_000, 6_000)
    yield from _against_git(lab, small, lab.scaled(400, 100), 1 / 10, absolute=True)
    yield from _against_git(lab, large, lab.scaled(60, 30), 1 / 100)
    yield _with_age(lab)


def _against_git(lab: Lab, files: int, rounds: int, bound: float, *, absolute: bool = False) -> Iterator[Row]:
    work, git, paths = lab.twins(files)
    author, random = Author(6), Random(7)
    picks = [random.choice(paths) for _ in range(rounds)]
    texts: dict[str, list[bytes]] = {path: (work.root / path).read_bytes().splitlines(True) for path in picks}
    data: list[bytes] = []
    for path in picks:
        texts[path] = author.edit(texts[path]) or [b"\n"]
        data.append(b"".join(texts[path]))

    def ours(number: int):
        return lambda: work.write(picks[number], data[number])

    def theirs(number: int):
        (lab.folder / f"theirs-{files}" / picks[number]).write_bytes(data[number])
        return lambda: (git("add", "-A"), git("write-tree"))

    lab.say(f"{rounds} edits among {files:,} files, in turns with git")
    mine, others = alternate(rounds, ours, theirs)
    ratio = median(mine) / median(others)
    yield Row(f"edit, durable, {files:,} files", spread(mine), spread(others), ratio, Target(bound))
    if absolute:
        yield Row("  the same by itself", spread(mine), "", None, Target(0.001, seconds=True), median(mine))


def _with_age(lab: Lab) -> Row:
    """The cost of an edit in a long history against the cost in a short one."""
    documents, passes, rounds = lab.scaled(10_000, 1_000), 10, lab.scaled(400, 150)
    old, young = lab.grown(documents, passes), lab.grown(100, 1)
    author, random = Author(8), Random(9)
    lab.say(f"{rounds} edits in a long history, in turns with a short one")
    with old.open() as aged, young.open() as fresh:

        def edits(work, paths):
            known = {path: (work.root / path).read_bytes().splitlines(True) for path in paths}

            def edit(number: int):
                path = random.choice(paths)
                known[path] = author.edit(known[path]) or [b"\n"]
                data = b"".join(known[path])
                return lambda: work.write(path, data)

            return edit

        mine, others = alternate(rounds, edits(aged, random.sample(old.paths, 100)), edits(fresh, list(young.paths)))
    what = f"edit at {old.versions:,} versions, and at {young.versions}"
    return Row(what, spread(mine), spread(others), median(mine) / median(others), Target(1.2))
