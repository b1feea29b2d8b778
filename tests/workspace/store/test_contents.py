"""Contents: each once, in chains that stay short and cheap, and never given out wrong."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workspace.errors import Damaged
from workspace.records import Act, Edit, State
from workspace.store.contents import DECODED, DEPTH, Contents, digest
from workspace.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def _chain(store: Store, length: int, text: bytes) -> list[bytes]:
    """Contents 1, 2, 3 … of which each is a small edit of the one before."""
    texts = []
    with store.transaction():
        for number in range(length):
            texts.append(text + b"edit %d\n" % number)
            text = texts[-1]
            assert store.contents.put(text, number or None) == number + 1
    store.contents.clear_cache()
    return texts


def test_a_content_is_stored_once(store: Store) -> None:
    with store.transaction():
        first = store.contents.put(b"the same\n")
        other = store.contents.put(b"another\n", first)
        assert store.contents.put(b"the same\n", other) == first
        assert store.contents.put(b"the same\n") == first
    assert store.db.execute("SELECT count(*) FROM content").fetchone() == (2,)
    assert store.contents.find(digest(b"the same\n")) == first
    assert store.contents.find(digest(b"nowhere")) is None


def test_digests_that_begin_alike_are_told_apart(store: Store) -> None:
    with store.transaction():
        one = store.contents.put(b"one\n")
        beginning = digest(b"one\n")[:5]
        store.db.execute(
            "INSERT INTO content (id, digest, size, keyframe, depth, cost, data) VALUES (2, ?, 4, 2, 0, 0, x'00')",
            (beginning + bytes(27),),
        )
    assert store.contents.find(digest(b"one\n")) == one
    assert store.contents.find(beginning + bytes([1] * 27)) is None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.tuples(st.binary(max_size=400), st.booleans(), st.integers(0, 100)), min_size=1, max_size=20)
)
def test_whatever_is_put_comes_back(store: Store, texts: list[tuple[bytes, bool, int]]) -> None:
    put: list[tuple[int, bytes]] = []
    with store.transaction():
        for text, extend, which in texts:
            base, before = put[which % len(put)] if put else (None, b"")
            content = before + text if extend else text
            put.append((store.contents.put(content, base), content))
    store.contents.clear_cache()
    assert [store.contents.get(id_) for id_, _ in put] == [content for _, content in put]


def test_chains_stay_bounded_and_small(store: Store) -> None:
    texts = _chain(store, 3000, Random(1).randbytes(3000))
    (deepest, dearest) = store.db.execute("SELECT max(depth), max(cost) FROM content").fetchone()
    assert deepest <= DEPTH
    assert dearest <= DECODED
    assert max(_steps(store, id_) for id_ in range(1, 3001)) <= DEPTH
    (size,) = store.db.execute("SELECT sum(length(data)) FROM content").fetchone()
    assert size < 150 * len(texts)
    for number in (1, 2, 500, 1499, 3000):
        store.contents.clear_cache()
        assert store.contents.get(number) == texts[number - 1]


def _steps(store: Store, id_: int) -> int:
    steps, at = 0, id_
    while (base := store.db.execute("SELECT base FROM content WHERE id = ?", (at,)).fetchone()[0]) is not None:
        steps, at = steps + 1, base
    return steps


def test_what_has_to_be_decoded_stays_bounded_for_large_contents(store: Store) -> None:
    noise = Random(2)
    text = noise.randbytes(6 << 20)
    texts = []
    with store.transaction():
        for number in range(8):
            text = text[: 1 << 20] + noise.randbytes(4 << 20) + text[5 << 20 :]
            texts.append(text)
            store.contents.put(text, number or None)
    (dearest,) = store.db.execute("SELECT max(cost) FROM content").fetchone()
    assert dearest <= DECODED
    store.contents.clear_cache()
    assert [store.contents.get(number + 1) for number in range(8)] == texts


def test_a_content_that_has_nothing_of_its_base_is_stored_by_itself(store: Store) -> None:
    with store.transaction():
        first = store.contents.put(Random(3).randbytes(5000))
        second = store.contents.put(Random(4).randbytes(5000), first)
    assert store.db.execute("SELECT base FROM content WHERE id = ?", (second,)).fetchone() == (None,)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE content SET data = x'00' WHERE id = 5",
        "UPDATE content SET data = x'' WHERE id = 5",
        "UPDATE content SET data = zeroblob(length(data)) WHERE id = 5",
        "UPDATE content SET data = (SELECT data FROM content WHERE id = 6) WHERE id = 5",
        "UPDATE content SET data = NULL WHERE id = 5",
        "UPDATE content SET base = 9 WHERE id = 5",
        "UPDATE content SET base = 5 WHERE id = 5",
        "UPDATE content SET base = NULL WHERE id = 5",
        "UPDATE content SET base = 1000 WHERE id = 5",
        "DELETE FROM content WHERE id = 5",
    ],
)
def test_a_damaged_link_is_told_and_harms_only_what_is_built_on_it(store: Store, damage: str) -> None:
    texts = _chain(store, 10, b"a text that is long enough to be the base of a delta\n" * 20)
    with store.transaction():
        store.db.execute(damage)
    for id_ in range(1, 11):
        store.contents.clear_cache()
        if id_ < 5:
            assert store.contents.get(id_) == texts[id_ - 1]
        else:
            with pytest.raises(Damaged):
                store.contents.get(id_)


def test_a_wrong_digest_is_told(store: Store) -> None:
    texts = _chain(store, 3, b"text\n" * 50)
    with store.transaction():
        store.db.execute("UPDATE content SET digest = zeroblob(32) WHERE id = 2")
    with pytest.raises(Damaged):
        store.contents.get(2)
    assert store.contents.get(3) == texts[2]


def test_a_content_that_never_was_is_told(store: Store) -> None:
    with pytest.raises(Damaged):
        store.contents.get(1)
    with pytest.raises(Damaged):
        store.contents.digest_of(1)


def test_a_damaged_version_does_not_stop_the_next_one(store: Store) -> None:
    with store.transaction():
        old = store.contents.put(b"an old text\n" * 50)
        _, (first,) = store.record(Act(), [Edit(None, "a", State("a", 0o100644, old))], branch=1)
        store.db.execute("UPDATE content SET data = x'00' WHERE id = ?", (old,))
    store.contents.clear_cache()
    with store.transaction():
        new = store.contents.put(b"a new text\n" * 50, old)
        _, (second,) = store.record(Act(), [Edit(1, "a", State("a", 0o100644, new), 1)], branch=1)
    assert store.versions.bytes_of(second) == b"a new text\n" * 50
    assert (second.added, second.removed) == (None, None)
    with pytest.raises(Damaged):
        store.versions.bytes_of(first)


def test_the_cache_keeps_to_its_cap_and_to_the_newest(store: Store) -> None:
    texts = _chain(store, 50, bytes(1000))
    cached = Contents(store.db, cache=8000)
    for id_ in range(1, 51):
        assert cached.get(id_) == texts[id_ - 1]
        assert sum(map(len, cached._cache.values())) == cached._cached <= 8000
    assert 50 in cached._cache
    assert 1 not in cached._cache


def test_a_content_too_large_for_the_cache_is_read_all_the_same(store: Store) -> None:
    texts = _chain(store, 3, bytes(5000))
    cached = Contents(store.db, cache=1000)
    assert [cached.get(id_) for id_ in (1, 2, 3, 3)] == [*texts, texts[2]]
    assert not cached._cache


def test_a_rollback_leaves_nothing_in_the_cache_of_what_it_took_back(store: Store) -> None:
    def put_and_fail() -> None:
        with store.transaction():
            store.contents.put(b"taken back\n")
            raise KeyError

    with pytest.raises(KeyError):
        put_and_fail()
    with store.transaction():
        assert store.contents.put(b"kept\n") == 1
    assert store.contents.get(1) == b"kept\n"
    assert store.contents.find(digest(b"taken back\n")) is None


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data[::-1]], ids=["shorter", "wrong"])
def test_a_delta_that_does_not_decode_to_its_content_is_never_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes]
) -> None:
    with store.transaction():
        base = store.contents.put(b"base\n" * 100)
    real = zlib.compressobj

    class Faulty:
        """A compressor as faulty memory may make one."""

        def __init__(self, *how: Any, **more: Any) -> None:
            self._real = real(*how, **more)

        def compress(self, data: bytes) -> bytes:
            return self._real.compress(spoil(data))

        def flush(self) -> bytes:
            return self._real.flush()

    monkeypatch.setattr("zlib.compressobj", Faulty)
    with store.transaction(), pytest.raises(Damaged, match="nothing was saved"):
        store.contents.put(b"base\n" * 50 + b"a text of words\n" * 50 + b"base\n" * 50, base)
    assert store.db.execute("SELECT count(*) FROM content").fetchone() == (1,)
