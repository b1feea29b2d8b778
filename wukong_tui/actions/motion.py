"""Keys held, playing, jumps: arithmetic, no history at hand."""

from __future__ import annotations

import math

# -- keys held


HELD = 0.15
"""Seconds within which a key that repeats counts as held."""
CROSS = 8.0
"""Seconds of holding in which any document is crossed."""
RATE = 30.0
"""Repeats a second that a held key gives."""
_STRIDES = (1, 1, 1, 2, 2, 4, 8, 16, 32)


class Momentum:
    """How far one press of a step key goes: further while the key is held, one again at once when it is let go."""

    def __init__(self) -> None:
        self._key = ""
        self._at = -math.inf
        self._repeats = 0
        self.label = ""
        """``◀ ×16`` while a key is held and a press goes further than one."""

    def press(self, key: str, now: float, versions: int, *, back: bool) -> int:
        """The steps of this press, at least 1; ``now`` in monotonic seconds, ``versions`` of the document."""
        held = key == self._key and 0 <= now - self._at <= HELD
        self._repeats = self._repeats + 1 if held else 0
        self._key, self._at = key, now
        stride = min(_stride(self._repeats), most(versions))
        self.label = f"{'◀' if back else '▶'} ×{stride:,}" if stride > 1 else ""
        return stride

    def release(self, now: float) -> bool:
        """Whether the label has just gone because nothing was pressed for a while."""
        if self.label and now - self._at > HELD:
            self.label, self._repeats = "", 0
            return True
        return False


def _stride(repeats: int) -> int:
    if repeats < len(_STRIDES):
        return _STRIDES[repeats]
    return int(_STRIDES[-1]) << min(40, (repeats - len(_STRIDES)) // 4 + 1)


def most(versions: int) -> int:
    """The longest stride in a document of so many versions: with it the whole is crossed in ``CROSS`` seconds.

    The first presses are short, so the time for all of it is divided by a little less.
    """
    return max(1, math.ceil(versions / ((CROSS - 2.0) * RATE)))


# -- playing


SPEEDS = (1, 2, 5, 10, 30, 100, 300)
"""Versions or operations a second."""


class Player:
    """Plays forward at a chosen speed; a screen that is slow is given more steps at once, never late ones."""

    def __init__(self, speed: int = 5) -> None:
        """``speed`` is one of ``SPEEDS``."""
        self._level = SPEEDS.index(speed)
        self._since: float | None = None
        self._done = 0

    @property
    def playing(self) -> bool:
        return self._since is not None

    @property
    def speed(self) -> int:
        """Steps a second."""
        return SPEEDS[self._level]

    @property
    def label(self) -> str:
        """``▶ 30/s`` while it plays."""
        return f"▶ {self.speed}/s" if self.playing else ""

    def toggle(self, now: float) -> bool:
        """Play or pause; whether it plays now. Times are monotonic seconds."""
        self._since, self._done = (None if self.playing else now), 0
        return self.playing

    def stop(self) -> None:
        """Pause: the end is reached, or a person moves the cursor."""
        self._since = None

    def suit(self, speed: float) -> None:
        """Begin at the lowest speed that is at least this, or the highest there is, unless it plays."""
        if not self.playing:
            self._level = next((level for level, known in enumerate(SPEEDS) if known >= speed), len(SPEEDS) - 1)

    def faster(self, now: float) -> int:
        """The next speed up, which it has then."""
        return self._change(min(len(SPEEDS) - 1, self._level + 1), now)

    def slower(self, now: float) -> int:
        """The next speed down, which it has then."""
        return self._change(max(0, self._level - 1), now)

    def due(self, now: float) -> int:
        """How many steps are to be taken now."""
        if self._since is None:
            return 0
        whole = int((now - self._since) * self.speed + 1e-9)
        steps, self._done = whole - self._done, whole
        return max(0, steps)

    def arrived(self, cursor: int, newest: int, *, moved: bool) -> bool:
        """Stop where LIVE is reached or nothing follows; whether it has stopped."""
        if self.playing and (cursor >= newest or not moved):
            self.stop()
            return True
        return False

    def _change(self, level: int, now: float) -> int:
        if level != self._level:
            self._level = level
            if self._since is not None:
                self._since, self._done = now, 0
        return self.speed


# -- jumps


class Jumps:
    """Where one jumped from: ``''`` goes back there, and there again."""

    def __init__(self) -> None:
        self._from: tuple[int, bool] | None = None
        self._earlier: tuple[int, bool] | None = None

    def jumped(self, cursor: int, *, live: bool) -> None:
        """Remember where one stood before a jump (not before a single step)."""
        self._earlier, self._from = self._from, (cursor, live)

    def back(self, cursor: int, *, live: bool) -> tuple[int, bool] | None:
        """Where to go back to, as ``(cursor, live)``, from where one stands; None where one has not jumped."""
        here, there = (cursor, live), self._from
        if there == here or (live and there is not None and there[1]):  # the last jump led nowhere
            there = self._earlier
        self._earlier = None
        self._from = here if there is not None else None
        return there
