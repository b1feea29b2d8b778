"""Text in flight: what agents are saying before it is in the journal."""

from __future__ import annotations

from runtime.protocol import Delta

KEPT = 8
"""Operations whose text is kept."""
SHOWN = 4
"""Operations whose text is shown, the newest ones."""


class Flying:
    """The text so far of the replies that are still being written."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def take(self, delta: Delta) -> bool:
        """Add what came; False where something before it was dropped: then all has to be asked for again."""
        text = self._texts.get(delta.operation, "")
        if delta.offset > len(text):
            return False
        self._texts[delta.operation] = text[: delta.offset] + delta.text
        return True

    def newest(self) -> list[tuple[int, str]]:
        """Operations and their text so far; older ones are forgotten."""
        while len(self._texts) > KEPT:
            self._texts.pop(next(iter(self._texts)))
        return list(self._texts.items())[-SHOWN:]

    def clear(self) -> None:
        """Forget everything."""
        self._texts.clear()
