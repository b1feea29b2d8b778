"""Line differences: applied to the old they give the new, they are minimal, and every byte is in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workspace.store import lines
from workspace.store.lines import Hunk, count, diff, hunks, is_binary, split, unified

texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"a\r\n", b"x", b"\r"]), max_size=14).map(b"".join)
sequences = st.lists(st.integers(0, 5), max_size=14)


def _apply(old: Sequence[object], new: Sequence[object], found: Sequence[Hunk]) -> list[object]:
    out: list[object] = []
    at = 0
    for hunk in found:
        out += old[at : hunk.old_start]
        assert len(out) == hunk.new_start, "what lies between two hunks is the same on both sides"
        out += new[hunk.new_start : hunk.new_end]
        at = hunk.old_end
    return [*out, *old[at:]]


def _longest_common(old: Sequence[object], new: Sequence[object]) -> int:
    best = [0] * (len(new) + 1)
    for item in old:
        row = [0]
        for index, other in enumerate(new):
            row.append(best[index] + 1 if item == other else max(best[index + 1], row[index]))
        best = row
    return best[-1]


@given(content=st.binary(max_size=300))
def test_lines_joined_are_the_content(content: bytes) -> None:
    assert b"".join(split(content)) == content
    assert all(line.count(b"\n") == line.endswith(b"\n") for line in split(content))


@given(old=sequences, new=sequences)
def test_a_diff_is_minimal_and_gives_the_new_sequence(old: list[int], new: list[int]) -> None:
    found = diff(old, new)
    assert _apply(old, new, found) == new
    changed = sum(h.old_end - h.old_start + h.new_end - h.new_start for h in found)
    assert changed == len(old) + len(new) - 2 * _longest_common(old, new)
    for first, second in pairwise(found):
        assert first.old_end < second.old_start or first.new_end < second.new_start


@given(old=sequences, new=sequences)
def test_the_fast_diff_gives_the_new_sequence_too(old: list[int], new: list[int]) -> None:
    assert _apply(old, new, lines._fast(old, new)) == new


@given(old=texts, new=texts)
def test_hunks_between_contents_are_in_their_line_numbers(old: bytes, new: bytes) -> None:
    found = hunks(old, new)
    assert b"".join(_apply(split(old), split(new), found)) == new  # type: ignore[arg-type]
    assert (found == []) == (old == new)


@given(old=texts, new=texts)
def test_counts_are_those_of_the_hunks(old: bytes, new: bytes) -> None:
    found = hunks(old, new)
    added = sum(hunk.new_end - hunk.new_start for hunk in found)
    removed = sum(hunk.old_end - hunk.old_start for hunk in found)
    assert count(old, new) == (added, removed)


@given(old=texts, new=texts, context=st.integers(0, 4))
def test_a_unified_diff_holds_both_sides_of_what_changed(old: bytes, new: bytes, context: int) -> None:
    old_lines, new_lines = split(old), split(new)
    rows = unified(old, new, context)
    for sign, before, after, text in rows:
        if sign in " -":
            assert before is not None
            assert old_lines[before - 1] == text
        if sign in " +":
            assert after is not None
            assert new_lines[after - 1] == text
    removed = [before for sign, before, _, _ in rows if sign == "-"]
    added = [after for sign, _, after, _ in rows if sign == "+"]
    assert removed == [n + 1 for hunk in hunks(old, new) for n in range(hunk.old_start, hunk.old_end)]
    assert added == [n + 1 for hunk in hunks(old, new) for n in range(hunk.new_start, hunk.new_end)]
    shown = [before for sign, before, _, _ in rows if sign in " -"]
    assert shown == sorted(set(shown)), "no line is shown twice"


def test_a_unified_diff_shows_context_and_heads() -> None:
    old = b"".join(b"%d\n" % n for n in range(1, 21))
    new = old.replace(b"\n5\n", b"\nfive\n").replace(b"\n18\n", b"\n")
    assert unified(old, new, 1) == [
        ("@", 4, 4, b""), (" ", 4, 4, b"4\n"), ("-", 5, None, b"5\n"), ("+", None, 5, b"five\n"), (" ", 6, 6, b"6\n"),
        ("@", 17, 17, b""), (" ", 17, 17, b"17\n"), ("-", 18, None, b"18\n"), (" ", 19, 18, b"19\n"),
    ]  # fmt: skip


def test_a_missing_final_newline_is_a_difference() -> None:
    assert hunks(b"one\ntwo", b"one\ntwo\n") == [Hunk(1, 2, 1, 2)]
    assert count(b"", b"one") == (1, 0)
    assert count(b"one", b"") == (0, 1)


def test_binary_contents_have_no_line_counts() -> None:
    assert is_binary("text".encode("utf-16"))
    assert not is_binary(b"")
    assert not is_binary(b"\xff\xfe no NUL")
    assert count(b"a\0b", b"text\n") is None
    assert count(b"text\n", b"a\0b") is None


def test_beyond_the_exact_limit_the_diff_stays_right_and_small() -> None:
    old = [f"{n}" for n in range(3 * lines.EXACT_LIMIT)]
    new = [*old[:10], "new", *old[12:50_000], *old[50_100:], "end"]
    found = diff(old, new)
    assert _apply(old, new, found) == new
    assert sum(h.old_end - h.old_start + h.new_end - h.new_start for h in found) < 200


@pytest.mark.parametrize("distinct", [0xD7FF, 0xD800, 0xD801, 0xE000])
def test_any_number_of_distinct_lines_can_be_compared_fast(distinct: int) -> None:
    old = [*range(distinct), -1]
    new = [*range(distinct), -2]
    assert _apply(old, new, lines._fast(old, new)) == new


def test_more_distinct_lines_than_there_are_characters_can_be_compared() -> None:
    old = list(range(1_200_000))
    new = [-1, *range(1, 1_199_999), -2]
    assert _apply(old, new, diff(old, new)) == new
