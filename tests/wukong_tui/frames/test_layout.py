"""Where everything stands, at any size."""

from __future__ import annotations

import pytest
from textual.geometry import Region

from wukong_tui.frames.layout import PANES, PaneName, arrange, shape_of

SIZES = [(200, 60), (150, 30), (149, 50), (120, 40), (100, 30), (99, 50), (80, 24), (120, 20), (40, 12), (20, 6)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("focus", PANES)
@pytest.mark.parametrize("zoom", [False, True])
@pytest.mark.parametrize("caption", [False, True])
def test_the_screen_is_covered_once(width: int, height: int, focus: PaneName, zoom: bool, caption: bool) -> None:
    arrangement = arrange(width, height, focus, zoom=zoom, caption=caption)
    cells = [0] * (width * height)
    for region in (*arrangement.regions.values(), *arrangement.rules):
        assert Region(0, 0, width, height).contains_region(region)
        for y in range(region.y, region.bottom):
            for x in range(region.x, region.right):
                cells[y * width + x] += 1
    assert set(cells) == {1}


@pytest.mark.parametrize("focus", PANES)
def test_the_pane_with_the_keys_is_always_shown(focus: PaneName) -> None:
    for width, height in SIZES:
        assert focus in arrange(width, height, focus).regions


def test_three_layouts_by_size() -> None:
    assert [shape_of(*size) for size in ((200, 60), (120, 40), (80, 24))] == ["wide", "medium", "narrow"]


def test_the_wide_layout_is_the_one_that_was_drawn() -> None:
    regions = arrange(200, 60, "document").regions
    assert regions["talk"].width == 58
    assert regions["document"].width == 90
    assert regions["plan"].width == 50
    assert regions["timeline"] == Region(0, 49, 200, 10)


def test_a_narrow_screen_always_has_the_scrubber() -> None:
    for pane in PANES:
        regions = arrange(80, 24, pane).regions
        assert ("scrubber" in regions) == (pane != "timeline")
        assert regions[pane].height == (22 if pane == "timeline" else 21)
