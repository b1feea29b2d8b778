"""What one listener is still to be told: bounded, however slowly it listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runtime.protocol import Advanced, Delta, Event

LAG = 64 * 1024
"""Characters that wait for one listener, at most; what is beyond is read again from the texts in flight."""
MARKS = 1_000
"""Texts that a listener may have fallen behind in before those that have ended are looked for."""

Texts = Callable[[], list[tuple[int, str]]]


class Feed:
    """Events for one listener, joined: the newest ``Advanced``, and per text what it has not been told.

    Once more than ``lag`` characters wait, only the place where each text was left is
    remembered, and the rest is taken from ``texts`` when the listener listens again. A
    text that has ended by then is not continued: the entry that ended it was told.

    >>> feed = Feed(lambda: [(7, "Hello, world")])
    >>> for at, piece in enumerate("Hello"):
    ...     feed.put(Delta(7, at, piece))
    >>> feed.put(Advanced(41)); feed.put(Advanced(42))
    >>> feed.take()
    [Delta(operation=7, offset=0, text='Hello'), Advanced(entry=42)]
    """

    def __init__(self, texts: Texts, lag: int = LAG) -> None:
        self._texts = texts
        self._lag = lag
        self._entry: int | None = None
        self._runs: dict[int, list[tuple[int, list[str]]]] = {}
        self._ends: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        self._waiting = 0
        self._held = False
        self.ended = False
        self.wake = asyncio.Event()
        """Set whenever there may be something to take."""

    @property
    def waiting(self) -> int:
        """Characters that are kept for the listener."""
        return self._waiting

    @property
    def ready(self) -> bool:
        """Whether ``take`` would return anything."""
        return not self._held and (self._entry is not None or bool(self._runs) or bool(self._behind))

    def put(self, event: Event) -> None:
        """Add an event; returns at once."""
        if isinstance(event, Advanced):
            self._entry = max(event.entry, self._entry or 0)
        elif (left := self._behind.get(event.operation)) is not None:
            self._behind[event.operation] = min(left, event.offset)
        else:
            self._add(event)
        if not self._held:
            self.wake.set()

    def take(self) -> list[Event]:
        """The next events, twice ``lag`` characters at most; ``ready`` says whether there are more."""
        if self._held:
            return []
        told: list[Event] = [
            Delta(operation, offset, "".join(pieces))
            for operation, runs in self._runs.items()
            for offset, pieces in runs
        ]
        self._drop()
        if self._behind:
            told += self._catch_up()
        if self._entry is not None:
            told.append(Advanced(self._entry))
            self._entry = None
        return told

    def hold(self) -> None:
        """Forget the texts that wait, and give nothing out before ``resume``."""
        self._held = True
        self._behind.clear()
        self._drop()

    def resume(self, entry: int = 0) -> list[tuple[int, str]]:
        """Go on from here: the texts in flight, ``lag`` characters at most; the rest follows as events.

        ``entry`` is the newest one that the listener knows already.
        """
        self._behind.clear()
        self._drop()
        self._held = False
        if self._entry is not None and self._entry <= entry:
            self._entry = None
        shown, room = [], self._lag
        for operation, text in self._texts():
            shown.append((operation, text[:room]))
            if len(text) > room:
                self._behind[operation] = room
            room -= min(room, len(text))
        if self.ready:
            self.wake.set()
        return shown

    def end(self) -> None:
        """Nothing more will come; what waits can still be taken."""
        self.ended = True
        self.wake.set()

    def _add(self, delta: Delta) -> None:
        runs = self._runs.setdefault(delta.operation, [])
        if runs and self._ends[delta.operation] == delta.offset:
            runs[-1][1].append(delta.text)
        else:
            runs.append((delta.offset, [delta.text]))
        self._ends[delta.operation] = delta.offset + len(delta.text)
        self._waiting += max(1, len(delta.text))
        if self._waiting > self._lag:
            for operation, runs in self._runs.items():
                self._behind[operation] = min(offset for offset, _ in runs)
            self._drop()
            if len(self._behind) > MARKS:
                running = {operation for operation, _ in self._texts()}
                self._behind = {o: offset for o, offset in self._behind.items() if o in running}

    def _drop(self) -> None:
        self._runs.clear()
        self._ends.clear()
        self._waiting = 0

    def _catch_up(self) -> list[Event]:
        told: list[Event] = []
        texts = dict(self._texts())
        room = self._lag
        for operation, offset in list(self._behind.items()):
            text = texts.get(operation, "")
            piece = text[offset : offset + room]
            if piece:
                told.append(Delta(operation, offset, piece))
            if offset + len(piece) < len(text):
                self._behind[operation] = offset + len(piece)
            else:
                del self._behind[operation]
            room -= len(piece)
            if not room:
                break
        return told
