"""What is not captured, as the commands print it."""

from __future__ import annotations

import itertools

from workspace import Skipped
from wukong_tui.cli.common import listing, say


def print_coverage(coverage: list[Skipped]) -> None:
    """What is not captured, by reason."""
    for reason, group in itertools.groupby(sorted(coverage, key=lambda s: (s.reason, s.path)), lambda s: s.reason):
        found = list(group)
        hint = " (--include PATH records it)" if reason == "secret" else ""
        names = listing(s.path + ("" if s.bytes is not None else "/") for s in found)
        say(f"not captured, {reason}{hint}: {names}", dim=True)
