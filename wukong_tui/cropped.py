"""What a partial update sends: the cells that were asked for and no others of their rows."""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual import _compositor


class CroppedUpdate(_compositor.ChopsUpdate):
    """Textual's update of spans, cut at both ends: its own starts each row at the left edge of the widget."""

    def render_segments(self, console: Console) -> str:
        """The spans as what the terminal is sent."""
        sent: list[str] = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                start, stop = max(x, first), min(end, last)
                if strip is not None and start < stop:
                    sent.append(Control.move_to(start, y).segment.text)
                    sent.append(strip.crop(start - x, stop - x).render(console))
        return "".join(sent)


def install() -> None:
    """Have Textual make its partial updates so; it has no other place for one."""
    _compositor.ChopsUpdate = CroppedUpdate  # type: ignore[misc]
