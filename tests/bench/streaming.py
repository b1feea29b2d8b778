"""Showing a reply as it comes, at the first turn and at the twentieth: our conversation beside Textual's Markdown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.drivers.headless_driver import HeadlessDriver
from textual.widget import Widget
from textual.widgets import Markdown

from widgets.talk import TalkPage, TalkPane
from widgets.talk_items import TalkItem

SIZE = (58, 58)
RATE = 30
"""Pieces of text a second."""
TURNS = 20
PIECE = 16
"""Characters that come at a time: at 30 Hz about 120 tokens a second."""
REPLY = """\
## What was found

The three documents were read and compared line by line. Two of them **agree**; the third was
changed after the others were written, and so it says something else about the lanes.

- `floor.txt` holds twenty rows of fifty bays, all of them counted
- `rules.md` says that lane *E* stays free, which was not so before
- `plan.md` names three steps, of which the second has a check

| document | lines | what was done |
|----------|------:|---------------|
| floor.txt | 20 | counted, and two rows filled |
| rules.md | 41 | read, nothing changed |
| plan.md | 12 | the second step was given a check |

The counting was done by a short program, so that it costs no tokens for each bay:

```python
import wk

rows = wk.read("floor.txt").split("\\n")
total = 0
for number, row in enumerate(rows, start=1):
    free = sum(1 for bay in row if bay == "0")
    total += free
    if free > 10:
        print(f"row {number}: {free} bays are free")
print(total, "in all")
```

### What is left to do

1. Fill the rows that have more than ten free bays, beginning with the widest one.
2. Ask whether lane *E* has to stay free in the first row as well, since the rules do not say.
3. Write down what was decided in `rules.md`, in one sentence and with the day on which it was.

> A lane that stays free is not a lane that nobody needs.

Nobody has said so far who looks after the third document. If it is the same person as for the other
two, one step is enough; otherwise a second one is needed, with a question to that person before it,
and the plan has to name the two of them.

When that is done the check of the second step can be run again; it looks for the letter `E` in the
floor and fails where it finds one. Nothing else has to be changed for it, and nothing that was there
before has been taken away. Every edit so far can be taken back by itself, with [undo](https://example.org/undo).
"""


class Sink(HeadlessDriver):
    """A terminal that counts what it is sent: all of the drawing is done, none of the showing."""

    sent = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        Sink.sent += len(data.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU seconds and bytes to the terminal of streaming one reply."""

    cpu: float
    sent: int


class _Stage(App[None]):
    """Shows one contestant, and streams into it."""

    def __init__(self, contestant: Contestant) -> None:
        super().__init__(driver_class=Sink)
        self.contestant = contestant
        self.figures: list[Figures] = []

    def compose(self) -> ComposeResult:
        yield self.contestant.widget()

    def on_mount(self) -> None:
        self.run_worker(self._stream(), exclusive=True)

    async def _stream(self) -> None:
        await asyncio.sleep(0.3)
        for turn in range(1, TURNS + 1):
            if turn not in (1, TURNS):
                await self.contestant.whole(turn)
                continue
            await asyncio.sleep(1.0)
            cpu, sent = time.process_time(), Sink.sent
            for text in _pieces():
                await self.contestant.more(turn, text)
                await asyncio.sleep(1 / RATE)
            await self.contestant.ended(turn)
            await asyncio.sleep(0.3)
            self.figures.append(Figures(time.process_time() - cpu, Sink.sent - sent))
        self.exit()


class Contestant:
    """Something that shows a conversation."""

    def widget(self) -> Widget:
        raise NotImplementedError

    async def whole(self, turn: int) -> None:
        """A turn that is not streamed."""
        raise NotImplementedError

    async def more(self, turn: int, text: str) -> None:
        """The reply so far."""
        raise NotImplementedError

    async def ended(self, turn: int) -> None:
        """The reply is whole."""


class Ours(Contestant):
    """The conversation pane, given pages as the application gives them."""

    def widget(self) -> Widget:
        self._talk = TalkPane()
        self._items: list[TalkItem] = []
        self._asked(1)
        return self._talk

    def _asked(self, turn: int) -> None:
        self._items.append(TalkItem(10 * turn, 10 * turn, "prompt", f"Question {turn}", 0, "done", apart=turn > 1))
        self._show(10 * turn)

    def _show(self, cursor: int) -> None:
        self._talk.show(TalkPage(cursor, True, "s1", "a model", 1, 1, tuple(self._items)))

    async def whole(self, turn: int) -> None:
        await self.ended(turn)

    async def more(self, turn: int, text: str) -> None:
        self._talk.stream(10 * turn + 1, text)

    async def ended(self, turn: int) -> None:
        self._items.append(TalkItem(10 * turn + 1, 10 * turn + 1, "reply", REPLY, 0, "done", apart=True))
        self._show(10 * turn + 2)
        if turn < TURNS:
            self._asked(turn + 1)


class Textuals(Contestant):
    """One Markdown widget that the conversation is appended to, kept at its end."""

    def widget(self) -> Widget:
        self._markdown = Markdown("**Question 1**\n\n")
        self._seen = 0
        scroll = VerticalScroll(self._markdown)
        scroll.anchor()
        return scroll

    async def whole(self, turn: int) -> None:
        await self._markdown.append(f"{REPLY}\n\n**Question {turn + 1}**\n\n")

    async def more(self, turn: int, text: str) -> None:
        await self._markdown.append(text[self._seen :])
        self._seen = len(text)

    async def ended(self, turn: int) -> None:
        self._seen = 0
        if turn < TURNS:
            await self._markdown.append(f"\n\n**Question {turn + 1}**\n\n")


class Alone(Textuals):
    """A Markdown widget for each turn: cheaper for Textual, until there are many."""

    def widget(self) -> Widget:
        self._markdown = Markdown("**Question 1**\n\n")
        self._seen = 0
        self._scroll = VerticalScroll(self._markdown)
        self._scroll.anchor()
        return self._scroll

    async def _next(self, turn: int) -> None:
        self._markdown = Markdown(f"**Question {turn + 1}**\n\n")
        await self._scroll.mount(self._markdown)

    async def whole(self, turn: int) -> None:
        await self._markdown.append(REPLY)
        await self._next(turn)

    async def ended(self, turn: int) -> None:
        self._seen = 0
        if turn < TURNS:
            await self._next(turn)


def run(contestant: Callable[[], Contestant]) -> tuple[Figures, Figures]:
    """Stream one reply at the first and one at the last turn."""
    stage = _Stage(contestant())
    asyncio.run(stage.run_async(size=SIZE, mouse=False))
    first, last = stage.figures
    return first, last


def figures(quick: bool) -> dict[str, Any]:
    """CPU seconds and bytes at turn 1 and 20 of each, best of three (of one where ``quick``), and the ratios."""
    found: dict[str, Any] = {"reply": len(REPLY), "pieces": -(-len(REPLY) // PIECE), "hertz": RATE}
    named: dict[str, Callable[[], Contestant]] = {"talk": Ours, "markdown": Textuals, "markdown_each": Alone}
    for _ in range(1 if quick else 3):  # in turns, so that a busy moment meets all of them
        for name, contestant in named.items():
            first, last = run(contestant)
            old = found.get(name, {"cpu_1": 1e9, "cpu_20": 1e9})
            found[name] = {
                "cpu_1": min(old["cpu_1"], round(first.cpu, 3)), "cpu_20": min(old["cpu_20"], round(last.cpu, 3)),
                "bytes_1": first.sent, "bytes_20": last.sent,
            }  # fmt: skip
    for turn in ("1", "20"):
        for name in ("markdown", "markdown_each"):
            ratio = found[name][f"cpu_{turn}"] / max(1e-6, found["talk"][f"cpu_{turn}"])
            found[f"times_less_than_{name}_{turn}"] = round(ratio, 1)
    return found


def _pieces() -> Iterator[str]:
    for at in range(PIECE, len(REPLY) + PIECE, PIECE):
        yield REPLY[:at]


if __name__ == "__main__":
    print(json.dumps(figures(quick=True), indent=1))
