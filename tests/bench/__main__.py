"""Run the benchmarks that are named, or all, and print their figures as one table."""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import import_module
from pathlib import Path

from .lab import Lab
from .machine import facts, scratch
from .measure import Row, table

TOPICS = {
    "storage": "storage",
    "edit": "edit",
    "read": "read",
    "restore": "restore",
    "open": "opening",
    "scan": "scan",
    "search": "search",
    "run": "running",
    "command": "command",
    "changes": "changes",
    "crowd": "crowd",
    "office": "office",
}


def main() -> None:
    options = _options()
    rows: list[Row] = []
    with scratch(options.folder) as folder:
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        print("\n".join(f"- {fact}" for fact in facts(folder)), flush=True)
        lab = Lab(folder, quick=options.quick, repositories=options.repo)
        start = time.monotonic()
        try:
            for topic in options.topics or TOPICS:
                print(f"{topic}", file=sys.stderr, flush=True)
                rows += import_module(f".{TOPICS[topic]}", __package__).rows(lab)
        finally:
            lab.close()
            print(f"\n{table(rows)}\n\n{time.monotonic() - start:.0f} s", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(TOPICS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="smaller histories and folders: about a minute")
    parser.add_argument(
        "--repo", action="append", type=Path, metavar="PATH",
        help="a git repository whose history to compare on as well; may be given again"
        " (or WUKONG_BENCH_REPO, paths separated as in PATH)",
    )  # fmt: skip
    parser.add_argument(
        "--folder", type=Path, help="where to work; must be a real disk (by default a temporary folder)"
    )
    options = parser.parse_args()
    if unknown := set(options.topics) - set(TOPICS):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    given = os.environ.get("WUKONG_BENCH_REPO", "")
    options.repo = options.repo or [Path(path) for path in given.split(os.pathsep) if path]
    return options


if __name__ == "__main__":
    main()
