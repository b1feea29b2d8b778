"""Sums over model calls: exact, and never sure of what nobody knows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workspace import Usage
from workspace.amounts import age, ago, in_words, narrow, together, tokens, usd
from workspace.totals import NOTHING, Total, total_of

COUNTS = st.none() | st.integers(0, 10**15)
USES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


@given(st.lists(USES), st.lists(USES))
def test_sums_add_up_in_any_order_and_what_is_taken_out_is_gone(some: list[Usage], others: list[Usage]) -> None:
    whole = total_of([*some, *others])
    assert whole == total_of(others) + total_of(some) == sum(map(Total.of, [*others, *some]), NOTHING)
    assert whole - total_of(some) == whole.without(total_of(some)) == total_of(others)
    assert whole + -whole == NOTHING
    assert bool(whole) == bool(some or others)


@given(USES)
def test_a_call_of_which_nobody_knows_is_never_nought(use: Usage) -> None:
    total = Total.of(use)
    unknown = use.estimated is None and (use.input is None or use.output is None)
    for text in (tokens(total), narrow(total), together(total), in_words(total)):
        assert ("?" in text) == unknown
        assert text != "0" or (use.input == 0 and use.output == 0) or use.estimated == 0
    assert ("?" in usd(total) or "–" in usd(total)) == (use.cost is None)


def test_a_sum_says_what_it_is_made_of() -> None:
    mixed = Total(4, 2_000, 140, estimated=85, unknown=1, cost=12_300_000, unpriced=2)
    assert tokens(mixed) == "~2,225 + ?"
    assert narrow(mixed) == "2,140 ~85 1 ?"
    assert together(mixed) == "2,140 + ~85 + 1 ?"
    assert in_words(mixed) == "2,140 + ~85 + 1 call ?"
    assert usd(mixed) == "0.0123 USD + ?"
    assert (tokens(NOTHING), narrow(NOTHING), together(NOTHING)) == ("", "", "0")


def test_ages_are_told_in_their_largest_unit_and_never_below_nought() -> None:
    second = 1_000_000
    told = [age(n * second) for n in (-5, 0, 59, 60, 7_199, 86_400, 29 * 86_400, 30 * 86_400, 800 * 86_400)]
    assert told == ["0 s", "0 s", "59 s", "1 min", "1 h", "1 d", "29 d", "1 mo", "2 y"]
    assert ago(7_200 * second) == "2 h ago"
