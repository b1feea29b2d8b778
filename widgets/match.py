"""Fuzzy finding: which of many names somebody means who typed a few letters of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import nlargest

CHUNK = 1_000
"""Names looked at in one go; between two, other threads run and a search that is no longer wanted ends."""
AT_ONCE = 2_000
"""Up to so many names are matched within a key stroke; more of them in a thread."""
CUTOFF = 70.0
"""A score from 0 to 100; below it a name has little to do with what was typed."""


class Names:
    """Names made ready for finding."""

    def __init__(self, names: Sequence[str]) -> None:
        self._folded = [name.casefold() for name in names]

    def __len__(self) -> int:
        return len(self._folded)

    def best(self, query: str, limit: int, gone: Callable[[], bool] = lambda: False) -> list[int]:
        """The indices of at most ``limit`` names that match best, best first; the first ones for an empty query.

        Names that hold every word of the query come before those that only resemble it. What
        was found so far is returned when ``gone`` says that nobody waits any longer.
        """
        from rapidfuzz import fuzz, process  # when something is looked for, not when the office opens

        words = query.casefold().split()
        if not words:
            return list(range(min(limit, len(self._folded))))
        whole = " ".join(words)
        found: dict[int, float] = {}
        for start in range(0, len(self._folded), CHUNK):
            if gone():
                return []
            for index, name in enumerate(self._folded[start : start + CHUNK], start):
                if all(word in name for word in words):
                    found[index] = 200 + _closeness(whole, words, name)
        if len(found) < limit and len(whole) > 1:
            for start in range(0, len(self._folded), CHUNK):
                if gone():
                    return []
                for _, score, index in process.extract(
                    whole,
                    self._folded[start : start + CHUNK],
                    scorer=fuzz.partial_ratio,
                    score_cutoff=CUTOFF,
                    limit=limit,
                ):
                    found.setdefault(start + index, score - len(self._folded[start + index]) / 1000)
        return [index for index, _ in nlargest(limit, found.items(), key=lambda pair: (pair[1], -pair[0]))]


def _closeness(whole: str, words: Sequence[str], name: str) -> float:
    """How much of a name was typed; more where its last part, or a word in it, begins so."""
    base = name[name.rfind("/", 0, len(name) - 1) + 1 :]
    score = 40.0 * len(whole) / max(1, len(name))
    if name == whole or base == whole:
        score += 60
    if base.startswith(words[0]):
        score += 40
    elif words[0] in base:
        score += 20
    if name.startswith(words[0]):
        score += 15
    return score
