"""Where everything stands on the screen: a pure function of its size and of what is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from textual.geometry import Region

PaneName = Literal["talk", "plan", "meter", "document", "timeline"]
PANES: tuple[PaneName, ...] = ("talk", "plan", "meter", "document", "timeline")
"""In the order of their keys 1 to 5."""
Shape = Literal["wide", "medium", "narrow"]

WIDE, MEDIUM = 150, 100
"""Columns from which there is room for three columns of panes, for two."""
TALL = 30
"""Rows from which there is room for more than one pane above the timeline."""
TALK, SIDE = 29, 25
"""Hundredths of a wide screen."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Regions by widget id, with the rules between them; what is not named is not shown.

    ``rules`` are vertical lines: column, first row, height, and whether a rule crosses above.
    """

    shape: Shape
    regions: Mapping[str, Region]
    rules: Sequence[Region]


def shape_of(width: int, height: int) -> Shape:
    """Which of the three layouts fits a screen of this size, in cells."""
    if width < MEDIUM or height < TALL:
        return "narrow"
    return "wide" if width >= WIDE else "medium"


def arrange(
    width: int, height: int, focus: PaneName, *, zoom: bool = False, prompt: int = 1, side: PaneName = "plan",
    caption: bool = False, why: bool = False, notice: int = 0,
) -> Arrangement:  # fmt: skip
    """The arrangement for a screen of ``width`` by ``height`` cells.

    ``focus`` is the pane that the keys go to: the only one shown where there is room for
    one, or with ``zoom``. ``prompt`` is its height in rows. ``side`` is what shares the
    right column of the medium layout with the meter: the plan or the conversation.
    ``caption`` makes room below the bar for what a demo tells, ``why`` for an explanation
    in the lower part of the document; ``notice`` is the height of what is said above the
    prompt, over whatever stands there.
    """
    shape = shape_of(width, height)
    prompt = max(1, min(prompt, height // 3))
    regions = {"bar": Region(0, 0, width, 1), "prompt": Region(0, height - prompt, width, prompt)}
    top, bottom = 1, height - prompt
    if notice:
        said = min(notice, bottom - top)
        if said > 0:
            regions["notice"] = Region(0, bottom - said, width, said)
    if caption:
        regions["caption"] = Region(0, 1, width, 1 if shape == "wide" else 2)
        top += regions["caption"].height
    rules: list[Region] = []
    if shape == "narrow" or zoom:
        if focus != "timeline":
            bottom -= 1
            regions["scrubber"] = Region(0, bottom, width, 1)
        regions[focus] = Region(0, top, width, max(1, bottom - top))
        _explain(regions, why, focus)
        return Arrangement(shape, regions, rules)
    low = 10 if shape == "wide" else 6
    bottom -= low
    regions["timeline"] = Region(0, bottom, width, low)
    tall = bottom - top
    if shape == "wide":
        talk, right = width * TALK // 100, width * SIDE // 100
        regions["talk"] = Region(0, top, talk, tall)
        regions["document"] = Region(talk + 1, top, width - talk - right - 2, tall)
        rules = [Region(talk, top, 1, tall), Region(width - right - 1, top, 1, tall)]
        upper: PaneName = "plan"
    else:
        right = width // 3
        regions["document"] = Region(0, top, width - right - 1, tall)
        rules = [Region(width - right - 1, top, 1, tall)]
        upper = focus if focus in ("talk", "plan") else side
    split = tall // 2 if shape == "wide" else tall * 3 // 5
    regions[upper] = Region(width - right, top, right, split)
    regions["meter"] = Region(width - right, top + split, right, tall - split)
    _explain(regions, why, "document")
    return Arrangement(shape, regions, rules)


def _explain(regions: dict[str, Region], why: bool, over: str) -> None:
    """Give the explanation the lower part of a pane."""
    if not why:
        return
    x, y, width, height = regions[over]
    rows = height * 3 // 5
    regions["why"] = Region(x, y + height - rows, width, rows)
    regions[over] = Region(x, y, width, height - rows)
