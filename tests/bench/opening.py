"""Opening a large history: for writing, after a crash, and at an earlier cursor."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from statistics import median

from workspace import History, Workspace

from .git import Git
from .lab import Grown, Lab
from .measure import Row, Target, alternate, seconds, spread
from .source import Author

WITHIN = Target(1.0, seconds=True)


def rows(lab: Lab) -> Iterator[Row]:
    grown = lab.grown(lab.scaled(10_000, 1_000), 10)
    shape = f"{grown.versions:,} versions, {len(grown.paths):,} documents"
    opened = []
    for _ in range(15):
        work: list[Workspace] = []
        opened.append(seconds(lambda work=work: work.append(grown.open())))
        work[0].close()
    yield Row(f"open for writing, {shape}", spread(opened), "", None, WITHIN, median(opened))
    yield _recovery(lab, grown)
    yield from _states(lab, grown)


class _Crash(BaseException):
    pass


def _recovery(lab: Lab, grown: Grown) -> Row:
    """Open after a stop between the commit of 1,000 edits and their files."""
    pending = min(1_000, len(grown.paths))
    author, random = Author(10), Random(11)
    lab.say(f"recovering {pending:,} files")

    def crash(number: int):
        work = grown.open()

        def step(point: str) -> None:
            if point == "committed":
                raise _Crash

        work.step = step
        try:
            with work.batch():
                for path in random.sample(grown.paths, pending):
                    lines = (grown.root / path).read_bytes().splitlines(True)
                    work.write(path, b"".join(author.edit(lines)) + b"# %d\n" % number)
        except _Crash:
            work.abandon()
        return lambda: grown.open().close()

    (taken,) = alternate(5, crash)
    return Row(f"open after a crash, {pending:,} files to finish", spread(taken), "", None, WITHIN, median(taken))


def _states(lab: Lab, grown: Grown) -> Iterator[Row]:
    """What existed at a cursor, on the branch and on one that left it, against ``git ls-tree``."""
    half = grown.cursors[len(grown.cursors) // 2]
    name = f"fork-{half}"
    with grown.open() as work:
        work.fork(name, at=half)
    git = Git.create(lab.folder / "listing.git", grown.root)
    git.commit()
    git("gc", "--quiet")
    with History.open(grown.root, store=grown.store) as main:
        with History.open(grown.root, store=grown.store, branch=name) as fork:
            lab.say("listing what existed at a cursor")
            mine, forked, others = alternate(
                7,
                lambda _: lambda: main.tree(cursor=half),
                lambda _: lambda: fork.tree(),
                lambda _: lambda: git("ls-tree", "-r", "-l", "HEAD"),
            )
    shape = f"state of {len(grown.paths):,} documents"
    for what, taken in (("at an earlier cursor", mine), ("on a branch", forked)):
        yield Row(
            f"{shape} {what}, and git ls-tree -r -l", spread(taken), spread(others), median(taken) / median(others)
        )
