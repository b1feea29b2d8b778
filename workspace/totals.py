"""Sums over model calls: what they used, and what the numbers are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from workspace.records import Usage

Numbers = tuple[int, int, int, int, int, int, int, int, int]
"""The fields of a Total, in its order."""


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over model calls. Reported, estimated and unknown are kept apart, never added up silently.

    ``unknown`` counts calls whose tokens nobody knows, ``unpriced`` those without a known
    cost; ``cost`` is in 1e-9 USD. Totals add and subtract; ``sum(totals, Total())`` is their sum.
    """

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: int = 0
    unknown: int = 0
    cost: int = 0
    unpriced: int = 0

    @classmethod
    def of(cls, use: Usage) -> Self:
        """One call that used so much."""
        return cls(
            1, use.input or 0, use.output or 0, use.cached or 0, use.reasoning or 0, use.estimated or 0,
            int(use.is_unknown), use.cost or 0, int(use.cost is None),
        )  # fmt: skip

    @property
    def reported(self) -> int:
        """Tokens that providers reported, in and out."""
        return self.input + self.output

    @property
    def known(self) -> int:
        """Tokens reported or estimated."""
        return self.input + self.output + self.estimated

    @property
    def numbers(self) -> Numbers:
        """The fields, in order."""
        return (
            self.calls, self.input, self.output, self.cached, self.reasoning, self.estimated, self.unknown,
            self.cost, self.unpriced,
        )  # fmt: skip

    def __add__(self, other: Total) -> Total:
        return Total(
            self.calls + other.calls, self.input + other.input, self.output + other.output,
            self.cached + other.cached, self.reasoning + other.reasoning, self.estimated + other.estimated,
            self.unknown + other.unknown, self.cost + other.cost, self.unpriced + other.unpriced,
        )  # fmt: skip

    def __sub__(self, other: Total) -> Total:
        return self + -other

    def __neg__(self) -> Total:
        return Total(*(-number for number in self.numbers))

    def without(self, part: Total) -> Total:
        """What is left of this sum beside a part of it, in which calls may be counted that are not in the sum."""
        return Total(*(max(0, number) for number in (self - part).numbers))

    def __bool__(self) -> bool:
        """Whether there is anything in it."""
        return any(self.numbers)

    def record(self) -> dict[str, int | float]:
        """The total for JSON."""
        return {
            "calls": self.calls,
            "input": self.input,
            "output": self.output,
            "cached": self.cached,
            "reasoning": self.reasoning,
            "estimated": self.estimated,
            "unknown_calls": self.unknown,
            "cost_usd": self.cost / 1e9,
            "unpriced_calls": self.unpriced,
        }


NOTHING = Total()
"""No call at all."""


def total_of(uses: Iterable[Usage]) -> Total:
    """The sum of some calls."""
    return sum(map(Total.of, uses), NOTHING)
