"""Lines to strips, and which cells of two strips differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from themes import load
from widgets.paint import Ink, clip, differing, pad, strip, wrap

INK = Ink(load("dark"))
TEXTS = st.text(st.sampled_from("ab 漢é\u0301\x1b\u202e😀👩\u200d\t"), max_size=30)
STYLES = st.sampled_from(["", "text", "dim", "strong", "added", "here accent"])
LINES = st.lists(st.tuples(TEXTS, STYLES), max_size=6)


@given(LINES, st.integers(1, 40))
def test_a_strip_is_as_wide_as_it_is_asked_to_be(line: list[tuple[str, str]], width: int) -> None:
    drawn = strip(line, width, INK)
    assert drawn.cell_length == width
    assert cell_len(drawn.text) == width


@given(LINES, LINES, st.integers(1, 40))
def test_outside_of_what_differs_two_strips_are_the_same(
    a: list[tuple[str, str]], b: list[tuple[str, str]], width: int
) -> None:
    old, new = strip(a, width, INK), strip(b, width, INK)
    spans = differing(old, new)
    assert spans == sorted(spans)
    at = 0
    for start, end in [*spans, (width, width)]:
        assert at <= start
        assert list(old.crop(at, start).simplify()) == list(new.crop(at, start).simplify())
        at = end


def test_a_digit_that_changes_is_one_cell_and_two_far_apart_are_two() -> None:
    old, new = (strip([(f"@{n} of many versions, it is {n}", "")], 60, INK) for n in (1604, 1605))
    assert differing(old, new) == [(4, 5), (33, 34)]
    assert differing(old, old) == []


def test_half_of_a_wide_character_is_never_sent() -> None:
    old, new = strip([("a漢b", "")], 6, INK), strip([("a字b", "")], 6, INK)
    assert differing(old, new) == [(1, 3)]
    old, new = strip([("a漢b", "")], 6, INK), strip([("ab漢", "")], 6, INK)
    assert differing(old, new) == [(1, 4)]


@given(TEXTS, st.integers(0, 20))
def test_what_is_clipped_or_padded_fits(text: str, width: int) -> None:
    for keep in ("start", "end", "both"):
        assert cell_len(clip(text, width, keep=keep)) <= width
    assert cell_len(pad(text, width)) == width
    assert cell_len(pad(text, width, right=True)) == width


@given(LINES, st.integers(2, 40), st.integers(0, 4))
def test_wrapped_lines_fit(line: list[tuple[str, str]], width: int, indent: int) -> None:
    for row in wrap(line, max(width, indent + 2), indent=indent):
        assert sum(cell_len(text) for text, _ in row) <= max(width, indent + 2)
