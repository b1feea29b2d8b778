"""The warehouse of the demo: a floor of 20 aisles and 50 bays, drawn one character a bay."""

from __future__ import annotations

import re

AISLES = "ABCDEFGHIJKLMNOPQRST"
FIRE_LANE = "E"
BAYS = 50
"""Bays of an aisle."""
SHADES = "·123456789ab#"
"""How a bay is drawn, by the number of bottles in it."""

_HEAD = """\
WAREHOUSE FLOOR    20 aisles of 50 bays, 12 bottles a bay
one bay is one character: · empty, 1 to 9, a ten, b eleven, # full

"""
_ROW = re.compile(rf"^([A-T])  ((?:[{SHADES}]{{10}} ){{5}}) *(\d+)", re.MULTILINE)


def empty() -> str:
    """The text of floor.txt before the first bottle: at most 72 columns wide."""
    ruler = "   " + " ".join(f"{at + 1:<10}" for at in range(0, BAYS, 10)) + " bottles\n"
    groups = " ".join([SHADES[0] * 10] * (BAYS // 10))
    rows = "".join(f"{aisle}  {groups}  {0:3}{' fire lane' if aisle == FIRE_LANE else ''}\n" for aisle in AISLES)
    return _HEAD + ruler + rows


def counted(text: str) -> dict[str, int]:
    """The bottles in each aisle of a floor, counted bay by bay.

    Raises ValueError where an aisle is missing or does not show the sum of its bays.
    """
    found = {}
    for aisle, bays, shown in _ROW.findall(text):
        found[aisle] = sum(SHADES.index(bay) for bay in bays if bay != " ")
        if found[aisle] != int(shown):
            raise ValueError(f"aisle {aisle} shows {shown} bottles and holds {found[aisle]}")
    if "".join(found) != AISLES:
        raise ValueError(f"the floor shows the aisles {''.join(found) or 'of another house'}")
    return found
