"""Navigation for changes where there are none: a scan against ``git status`` and ``find``."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from statistics import median

from .lab import Lab
from .measure import Row, alternate, spread


def rows(lab: Lab) -> Iterator[Row]:
    files, rounds = lab.scaled(60_000, 6_000), 9
    work, git, _ = lab.twins(files)
    work.scan()
    git("add", "-A")
    find = ["find", str(lab.folder / f"theirs-{files}"), "-printf", "%s %T@\n"]
    lab.say(f"scanning {files:,} files")
    mine, status, stats = alternate(
        rounds,
        lambda _: work.scan,
        lambda _: lambda: git("status", "--porcelain"),
        lambda _: lambda: subprocess.run(find, stdout=subprocess.DEVNULL, check=True),
    )
    what = f"scan of {files:,} unchanged files, and"
    yield Row(f"{what} git status", spread(mine), spread(status), median(mine) / median(status))
    yield Row(f"{what} find with sizes and times", spread(mine), spread(stats), median(mine) / median(stats))
