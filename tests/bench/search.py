"""Finding where a string came or went in any version ever, against ``git log -S``.

Each string is looked for in a history that was just opened. Both sides have to name the
same commits, all of them, or this raises AssertionError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from random import Random
from statistics import median

from workspace import History
from workspace.operations.search import search
from workspace.store.store import Store

from .lab import Lab, Past
from .measure import Row, Target, alternate, spread

FIRST = 50
"""Hits that are waited for: a screen of them."""
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]{5,30}")


def rows(lab: Lab) -> Iterator[Row]:
    for past in lab.histories():
        yield from _searches(lab, past)


def _searches(lab: Lab, past: Past) -> Iterator[Row]:
    needles = _needles(past, lab.scaled(10, 4))
    lab.say(f"searching the {past.name} history for {len(needles)} strings")

    def ours(needle: str, limit: int | None):
        with History.open(past.root, store=past.store) as history:
            return [hit.version.entry for hit in islice(search(history, needle), limit)]

    def theirs(needle: str):
        # As the import: the same bytes at another path are a rename, nothing else is.
        return past.git("log", f"-S{needle}", "--find-renames=100%", "--format=%H", "main").decode().split()

    for needle in needles:
        assert _commits(past, ours(needle, None)) == set(theirs(needle)), needle
    first, every, git = alternate(
        len(needles),
        lambda n: lambda: ours(needles[n], FIRST),
        lambda n: lambda: ours(needles[n], None),
        lambda n: lambda: theirs(needles[n]),
    )
    what = f"search {past.name}, {len(needles)} strings"
    for name, taken, target in ((f"first {FIRST} hits", first, Target(20, at_least=True)), ("all hits", every, None)):
        ratio = median(b / a for a, b in zip(taken, git, strict=True))
        yield Row(f"{what}, {name}", spread(taken), spread(git), ratio, target)


def _needles(past: Past, count: int) -> list[str]:
    """Words and pairs of words that occur somewhere in the past, and one that does not."""
    random = Random(13)
    store = Store.open(past.store, read_only=True)
    contents = [id_ for (id_,) in store.db.execute("SELECT id FROM content WHERE size > 200 ORDER BY id")]
    out = ["no such words anywhere"]
    while len(out) < count:
        text = store.contents.get(random.choice(contents))
        words = list(_WORD.finditer(text))
        if len(words) < 2 or b"\0" in text:
            continue
        at = random.randrange(len(words) - 1)
        phrase = text[words[at].start() : words[at + len(out) % 2].end()]
        if b"\n" not in phrase and phrase.isascii():
            out.append(phrase.decode())
    store.close()
    return out


def _commits(past: Past, entries: list[int]) -> set[str]:
    with History.open(past.root, store=past.store) as history:
        refs = (history.store.journal.entry(entry).ref for entry in entries)
        return {ref.hex() for ref in refs if ref is not None}
