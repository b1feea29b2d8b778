"""The blame column of the Document pane: who made each line on screen, and how long ago."""

from __future__ import annotations

from collections import OrderedDict

from runtime.labels import short_name
from widgets.document import HELD
from workspace import History, Version
from workspace.amounts import age
from workspace.operations.blame import Blame
from wukong_tui.views import Look

SLICE = 0.012
"""Seconds that one page may go on looking."""
NEAR = 24
"""Versions over which what is known is carried along, rather than looked for again, at most."""
NEAR_BYTES = 2_000_000
"""Bytes of contents that are compared for that, at most."""
KEPT = 400_000
"""Lines of blame that are remembered, at most, over all versions."""
OPERATIONS = 4_000
"""Texts that are remembered, at most."""


class BlameView:
    """Blame of the versions that were looked at: found in slices, remembered, carried along while stepping."""

    def __init__(self) -> None:
        self.pending = False
        """Whether lines of the page that was loaded last are not known yet: load it again."""
        self._known: OrderedDict[tuple[int, int], Blame] = OrderedDict()
        self._makers: dict[tuple[int, int], tuple[str, int]] = {}

    def load(self, history: History, look: Look, version: Version, top: int, height: int) -> tuple[str, ...]:
        """``@1,604 agent 2 h`` for the lines from ``top`` (from 0) on, at most ``height``; "" where not known yet.

        Its three parts are held together by HELD. Nothing for binary content. Takes about
        SLICE seconds at most. Raises Damaged.
        """
        blame = self.of(history, version)
        stop = min(max(top, 0) + max(height, 0), blame.count)
        self.pending = not blame.advance(top, stop, seconds=SLICE)
        out = []
        for origin in blame.origins(top, stop):
            if origin is None:
                out.append("")
                continue
            who, when = self._maker(history, version.document, origin.version)
            parts = (f"@{origin.version:,}", who, age(look.now - when))
            out.append(" ".join(part.replace(" ", HELD) for part in parts if part))
        return tuple(out)

    def of(self, history: History, version: Version) -> Blame:
        """The blame of a version, with whatever is known of it already; at most NEAR diffs are made."""
        key = (version.document, version.number)
        known = self._known.get(key)
        if known is None or not known.finished:
            known = self._carried(history, version) or known or Blame(history.store.versions, version)
            self._known[key] = known
        self._known.move_to_end(key)
        while len(self._known) > 1 and sum(blame.count + 50 for blame in self._known.values()) > KEPT:
            self._known.popitem(last=False)
        return known

    def _carried(self, history: History, version: Version) -> Blame | None:
        """What was known of the version that was looked at last, carried over to this one, if it is near."""
        last = next(reversed(self._known.values()), None)
        if last is None or last.version.document != version.document or last.version.number == version.number:
            return None
        here = last.version
        back = here.number > version.number
        path = _path(history, here, version) if back else _path(history, version, here)
        if path is None:
            return None
        for step in path[1:] if back else path[-2::-1]:
            last = last.moved(step)
        return last

    def _maker(self, history: History, document: int, number: int) -> tuple[str, int]:
        """Who made a version, and when."""
        if (found := self._makers.get((document, number))) is None:
            if len(self._makers) >= OPERATIONS:
                self._makers.clear()
            operation = history.operation(history.store.versions.get(document, number).operation)
            found = self._makers[document, number] = (short_name(operation.actor), operation.started)
        return found


def _path(history: History, newer: Version, older: Version) -> list[Version] | None:
    """The versions from one back to an older one by first parents, both included; None if it is not near."""
    out = [newer]
    most = min(NEAR, 1 + NEAR_BYTES // max(1, newer.size or 1))
    while out[-1].number > older.number and len(out) <= most:
        parent = out[-1].parent
        if parent is None or parent < older.number:
            return None
        out.append(history.store.versions.get(newer.document, parent))
    return out if out[-1].number == older.number else None
