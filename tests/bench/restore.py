"""Restoring a folder to an earlier instant, recorded, against ``git checkout`` of the same change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from .git import Git
from .lab import Grown, Lab
from .measure import Row, Target, alternate, spread


def rows(lab: Lab) -> Iterator[Row]:
    grown = lab.grown(lab.scaled(10_000, 1_000), 10)
    documents = len(grown.paths)
    last = grown.cursors[-1]
    for changed in (documents // 10, documents):
        yield _restore(lab, grown, last, last - changed, changed)


def _restore(lab: Lab, grown: Grown, now: int, then: int, changed: int) -> Row:
    documents = len(grown.paths)
    folder = lab.folder / f"checkout-{changed}"
    folder.mkdir()
    git = Git.create(lab.folder / f"checkout-{changed}.git", folder)
    lab.say(f"restoring {changed:,} of {documents:,} files, in turns with git checkout")
    with grown.open() as work:
        commits = []
        for cursor in (then, now):
            work.restore(cursor=cursor)
            shutil.copytree(grown.root, folder, symlinks=True, dirs_exist_ok=True, ignore=_not_ours)
            commits.append(git.commit())
        git("gc", "--quiet")
        cursors = (then, now)
        mine, others = alternate(
            6,
            lambda number: lambda: work.restore(cursor=cursors[number % 2]),
            lambda number: lambda: git("checkout", "--quiet", "--force", commits[number % 2]),
        )
        work.restore(cursor=then)
    git("checkout", "--quiet", "--force", commits[0])
    compare(grown.root, folder)
    ratio = median(mine) / median(others)
    what = f"restore {changed:,} of {documents:,} files, equal afterwards"
    return Row(what, spread(mine), spread(others), ratio, Target(1.5))


def compare(ours: Path, theirs: Path) -> None:
    """Raises AssertionError unless both folders hold the same files with the same bytes and permissions."""
    left, right = _files(ours), _files(theirs)
    assert left.keys() == right.keys(), sorted(left.keys() ^ right.keys())[:5]
    for name, path in left.items():
        assert path.read_bytes() == right[name].read_bytes(), name
        assert path.stat().st_mode & 0o111 == right[name].stat().st_mode & 0o111, name


def _files(root: Path) -> dict[str, Path]:
    found = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                found[str(path.relative_to(root))] = path
    return found


def _not_ours(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == ".wukong"]
