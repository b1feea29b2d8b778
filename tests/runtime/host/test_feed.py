"""One listener's feed: whatever it misses, it ends with the whole text, and what waits for it is bounded."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.host.feed import MARKS, Feed
from runtime.protocol import Advanced, Delta

LAG = 10


class Office:
    """Texts in flight, which a feed is told of."""

    def __init__(self) -> None:
        self.flying: dict[int, str] = {}
        self.feed = Feed(lambda: list(self.flying.items()), LAG)

    def type(self, operation: int, piece: str) -> None:
        text = self.flying.setdefault(operation, "")
        self.flying[operation] = text + piece
        self.feed.put(Delta(operation, len(text), piece))


class Listener:
    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.entry = 0

    def take(self, feed: Feed) -> None:
        for event in feed.take():
            if isinstance(event, Advanced):
                assert event.entry > self.entry
                self.entry = event.entry
            else:
                known = self.texts.get(event.operation, "")
                assert event.offset <= len(known), "a gap"
                self.texts[event.operation] = known[: event.offset] + event.text


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("type"), st.integers(1, 3), st.text(max_size=8)),
        st.tuples(st.just("again"), st.integers(1, 3)),
        st.tuples(st.just("advance")),
        st.tuples(st.just("take")),
        st.tuples(st.just("attach")),
    ),
    max_size=60,
)


@given(STEPS)
def test_a_listener_that_listens_in_the_end_knows_every_text_in_flight(steps: list[tuple[Any, ...]]) -> None:
    office, listener, entry = Office(), Listener(), 0
    for step in steps:
        match step:
            case ("type", operation, piece):
                office.type(operation, piece)
            case ("again", operation):  # a model that was cut begins anew
                office.flying[operation] = ""
                office.type(operation, "anew")
            case ("advance",):
                entry += 1
                office.feed.put(Advanced(entry))
            case ("take",):
                listener.take(office.feed)
            case ("attach",):
                office.feed.hold()
                office.type(1, "!")
                assert not office.feed.take()
                listener.texts = dict(office.feed.resume(listener.entry))
        assert office.feed.waiting <= LAG
    while office.feed.ready:
        listener.take(office.feed)
    shown = {operation: text for operation, text in listener.texts.items() if text}
    assert shown == {operation: text for operation, text in office.flying.items() if text}
    assert listener.entry == entry


def test_deltas_that_follow_one_another_are_told_as_one() -> None:
    office = Office()
    for piece in ("a", "b", "c"):
        office.type(7, piece)
    office.feed.put(Advanced(1))
    office.feed.put(Advanced(2))
    assert office.feed.take() == [Delta(7, 0, "abc"), Advanced(2)]
    assert not office.feed.ready


def test_a_text_that_ended_while_nobody_listened_is_not_continued() -> None:
    office = Office()
    office.type(7, "x" * (LAG + 1))
    del office.flying[7]
    office.feed.put(Advanced(3))
    assert office.feed.take() == [Advanced(3)]
    assert not office.feed.ready


def test_texts_that_ended_are_forgotten_however_many_a_listener_missed() -> None:
    office = Office()
    for operation in range(1, 5 * MARKS):
        office.type(operation, "x" * (LAG + 1))
        del office.flying[operation]
    assert len(office.feed._behind) <= MARKS + 1
