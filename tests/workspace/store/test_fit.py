"""Three-way fit: both changes, or a conflict that shows both; never one side's work lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workspace.store.merge3 import Fitted, Overlap, merge3

texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"a b c\n", b"end"]), max_size=8).map(b"".join)


@settings(deadline=None)
@given(base=texts, other=texts)
def test_a_side_that_changed_nothing_gives_way(base: bytes, other: bytes) -> None:
    assert merge3(base, base, other) == Fitted(other)
    assert merge3(base, other, base) == Fitted(other)
    assert merge3(base, other, other) == Fitted(other)


@settings(deadline=None)
@given(base=texts, ours=texts, theirs=texts)
def test_there_is_a_content_or_there_are_overlaps(base: bytes, ours: bytes, theirs: bytes) -> None:
    fitted = merge3(base, ours, theirs)
    assert (fitted.content is None) == bool(fitted.overlaps)
    for overlap in fitted.overlaps:
        assert overlap.base in base
        assert overlap.ours in ours
        assert overlap.theirs in theirs
        assert overlap.ours != overlap.theirs


@settings(deadline=None)
@given(base=texts, ours=texts, theirs=texts)
def test_the_two_sides_may_change_places(base: bytes, ours: bytes, theirs: bytes) -> None:
    one, other = merge3(base, ours, theirs), merge3(base, theirs, ours)
    assert one.content == other.content


changes = st.dictionaries(st.integers(0, 9), st.sampled_from(["before", "change", "remove"]), max_size=4)


@settings(deadline=None)
@given(ours=changes, theirs=changes)
def test_changes_to_lines_that_do_not_touch_are_both_there(ours: dict[int, str], theirs: dict[int, str]) -> None:
    mine = {n: ("ours", kind) for n, kind in ours.items()}
    yours = {n: ("theirs", kind) for n, kind in theirs.items() if not {n - 1, n, n + 1} & ours.keys()}
    assert merge3(_text({}), _text(mine), _text(yours)) == Fitted(_text(mine | yours))


def _text(changes: dict[int, tuple[str, str]]) -> bytes:
    """Ten lines, after changes of a side and a kind to some of them."""
    out = []
    for n in range(10):
        side, kind = changes.get(n, ("the base", ""))
        out += [f"{side} adds this before {n}\n"] if kind == "before" else []
        out += [f"{side} changes {n}\n" if kind == "change" else f"the base has {n}\n"] if kind != "remove" else []
    return "".join(out).encode()


def test_two_changes_inside_one_line_are_both_there() -> None:
    base = b"the quick brown fox jumps over the lazy dog\n"
    ours = b"the slow brown fox jumps over the lazy dog\n"
    theirs = b"the quick brown fox jumps over the lazy cat\n"
    assert merge3(base, ours, theirs) == Fitted(b"the slow brown fox jumps over the lazy cat\n")


def test_different_changes_to_one_word_are_a_conflict_that_shows_all_three() -> None:
    fitted = merge3(b"1\n2\nword\n4\n", b"0\n1\n2\nours\n4\n", b"1\n2\ntheirs\n4\n5\n")
    assert fitted == Fitted(None, (Overlap(4, b"word\n", b"ours\n", b"theirs\n"),))


def test_every_conflict_is_listed() -> None:
    fitted = merge3(b"a\n1\nb\n2\nc\n", b"a\nx\nb\ny\nc\n", b"a\nX\nb\nY\nc\n")
    assert [overlap.line for overlap in fitted.overlaps] == [2, 4]


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (b"", b"ours\n", b"theirs\n"),
        (b"1\n2\n", b"1\nours\n2\n", b"1\ntheirs\n2\n"),
        (b"1\n2\n3\n", b"1\n3\n", b"1\nchanged\n3\n"),
        (b"a\0b", b"a\0c", b"a\0d"),
        (b"\xff\n", b"\xfe\n", b"\xfd\n"),
    ],
    ids=["two new files", "two texts in one place", "removed and changed", "binary", "not UTF-8"],
)
def test_what_cannot_be_fitted_is_a_conflict(base: bytes, ours: bytes, theirs: bytes) -> None:
    assert merge3(base, ours, theirs).content is None
    assert merge3(base, theirs, ours).content is None


def test_the_same_addition_on_both_sides_is_made_once() -> None:
    assert merge3(b"1\n2\n", b"1\nnew\n2\n", b"1\nnew\n2\nmore\n") == Fitted(b"1\nnew\n2\nmore\n")


def test_line_ends_and_a_missing_final_newline_are_kept() -> None:
    assert merge3(b"1\r\n2\r\n3\r\n4", b"one\r\n2\r\n3\r\n4", b"1\r\n2\r\n3\r\nfour") == Fitted(
        b"one\r\n2\r\n3\r\nfour"
    )


def test_lines_that_are_not_utf8_are_fitted_by_whole_lines() -> None:
    assert merge3(b"\xff\n2\n3\n", b"\xfe\n2\n3\n", b"\xff\n2\n\xfd\n") == Fitted(b"\xfe\n2\n\xfd\n")


def test_characters_are_never_cut_in_two() -> None:
    base, ours, theirs = "é and 漢 here\n", "è and 漢 here\n", "é and 字 here\n"
    assert merge3(base.encode(), ours.encode(), theirs.encode()) == Fitted("è and 字 here\n".encode())
