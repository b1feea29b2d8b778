"""Deltas: whatever the two contents, the second comes back; a delta that cannot be applied says so."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workspace.store.delta import DICTIONARY, FLAT, Malformed, common_prefix, common_suffix, decode, encode

STEP = 64 << 10
"""The bytes that are compared at once; lengths around its multiples are where mistakes would be."""

edits = st.lists(st.tuples(st.integers(0, 1 << 21), st.integers(0, 3000), st.binary(max_size=3000)), max_size=12)


def _edit(content: bytes, at: int, removed: int, added: bytes) -> bytes:
    at %= len(content) + 1
    return content[:at] + added + content[at + removed :]


@given(base=st.binary(max_size=500), content=st.binary(max_size=500))
def test_any_content_comes_back_from_its_delta(base: bytes, content: bytes) -> None:
    assert decode(base, [encode(base, content).data]) == content


@settings(deadline=None)
@given(seed=st.integers(0, 1000), size=st.sampled_from([0, 100, STEP, FLAT - 10, FLAT + STEP]), steps=edits)
def test_a_chain_of_edits_comes_back_at_every_link(seed: int, size: int, steps: list[tuple[int, int, bytes]]) -> None:
    base = Random(seed).randbytes(size)
    content, chain = base, []
    for step in steps:
        edited = _edit(content, *step)
        chain.append(encode(content, edited).data)
        content = edited
        assert decode(base, chain) == content


@given(a=st.binary(max_size=60), b=st.binary(max_size=60), shared=st.binary(max_size=60))
def test_common_ends_are_as_long_as_they_can_be(a: bytes, b: bytes, shared: bytes) -> None:
    for x, y in ((shared + a, shared + b), (a + shared, b + shared), (a, a + b)):
        limit = min(len(x), len(y))
        assert common_prefix(x, y) == max(n for n in range(limit + 1) if x[:n] == y[:n])
        assert common_suffix(x, y, limit) == max(n for n in range(limit + 1) if x[len(x) - n :] == y[len(y) - n :])


@pytest.mark.parametrize("length", [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP - 1, 3 * STEP, 3 * STEP + 1])
def test_common_ends_of_long_contents(length: int) -> None:
    shared = Random(length).randbytes(length)
    assert common_prefix(shared + b"a" * 9, shared + b"b" * STEP) == length
    assert common_suffix(b"a" * 9 + shared, b"b" * STEP + shared, 9 + length) == length
    assert common_suffix(shared, shared, length // 2) == length // 2
    assert common_prefix(shared, shared) == length


def test_the_ends_never_overlap_where_a_part_repeats() -> None:
    for base, content in ((b"aaaa", b"aa"), (b"aa", b"aaaaa"), (b"abab", b"abababab"), (b"x" * 200, b"x" * 199)):
        assert decode(base, [encode(base, content).data]) == content


def test_a_small_edit_costs_some_bytes_however_large_the_document() -> None:
    line = Random(1).randbytes(5 << 20).hex().encode()
    for at in (0, len(line) // 2, len(line)):
        edited = line[:at] + b"edit" + line[at:]
        made = encode(line, edited)
        assert len(made.data) < 20
        assert made.cost == 4
        assert decode(line, [made.data]) == edited


def test_what_is_moved_within_the_surroundings_is_not_stored_again() -> None:
    lines = [Random(n).randbytes(40).hex().encode() + b"\n" for n in range(200)]
    base, moved = b"".join(lines), b"".join([*lines[50:100], *lines[:50], *lines[100:]])
    made = encode(base, moved)
    assert len(made.data) < 300
    assert decode(base, [made.data]) == moved


def test_incompressible_bytes_grow_by_some_bytes_only() -> None:
    noise = Random(3).randbytes(100_000)
    assert len(encode(b"", noise).data) <= len(noise) + 8
    assert decode(b"", [encode(b"", noise).data]) == noise


def test_the_cost_counts_what_has_to_be_decoded() -> None:
    base, content = Random(4).randbytes(1 << 20), Random(5).randbytes(1000)
    assert encode(b"", content * 50).cost == 50_000
    cost = encode(base, base[: 1 << 19] + content * 3 + base[1 << 19 :]).cost
    assert 3000 <= cost <= 3000 + DICTIONARY


@given(base=st.binary(max_size=100), junk=st.binary(max_size=100))
def test_junk_is_malformed_or_decodes_but_never_fails_in_another_way(base: bytes, junk: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(decode(base, [junk]), bytes)


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_delta_never_fails_in_another_way(position: int, bit: int, cut: bool) -> None:
    base = b"".join(b"line %d of the base\n" % n for n in range(100))
    data = bytearray(encode(base, base.replace(b"7", b"seven")).data)
    position %= len(data)
    if cut:
        del data[position:]
    else:
        data[position] ^= 1 << bit
    with suppress(Malformed):
        assert isinstance(decode(base, [bytes(data)]), bytes)


def test_a_delta_for_another_base_is_malformed() -> None:
    base = b"one long enough base\n" * 20
    made = encode(base, base + b"more\n")
    with pytest.raises(Malformed):
        decode(b"short", [made.data])
