"""Budgets: reserved before a call, settled after it; exact however many calls run at once."""

from __future__ import annotations

from dataclasses import dataclass

from workspace import Usage, WorkspaceError


class LimitReached(WorkspaceError):
    """A call would pass the limit; nothing was asked of the model."""

    code = "limit"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a call may cost at most: tokens, and 1e-9 USD where there is a price."""

    tokens: int
    cost: int | None


@dataclass(slots=True)
class Budget:
    """Limits of a session: tokens in all, cost in 1e-9 USD; None is without limit.

    A reservation is taken back by ``settle`` with what was reported. A report that cannot
    be true (nothing, zero, negative) is charged as reserved: a broken meter never makes a
    call free.
    """

    max_tokens: int | None = None
    max_cost: int | None = None
    tokens: int = 0
    cost: int = 0

    def reserve(self, tokens: int, cost: int | None) -> Reservation:
        """Take a call's most off the budget. Raises LimitReached, saying which limit."""
        if self.max_tokens is not None and self.tokens + tokens > self.max_tokens:
            raise LimitReached(
                f"The limit of {self.max_tokens:,} tokens is reached: {self.tokens:,} are spent or under way"
                f" and the next call may take {tokens:,}."
            )
        if self.max_cost is not None:
            if cost is None:
                raise LimitReached(
                    "A cost limit is set, but this model has no known price; set --max-tokens instead."
                )
            if self.cost + cost > self.max_cost:
                raise LimitReached(
                    f"The limit of {self.max_cost / 1e9:.2f} USD is reached: {self.cost / 1e9:.4f} are spent or"
                    f" under way and the next call may cost {cost / 1e9:.4f}."
                )
        self.tokens += tokens
        self.cost += cost or 0
        return Reservation(tokens, cost)

    def settle(self, reservation: Reservation, usage: Usage | None, cost: int | None) -> None:
        """Replace what was reserved by what was reported."""
        used = trusted(usage)
        if used is None:
            return
        self.tokens += used - reservation.tokens
        if cost is not None:
            self.cost += cost - (reservation.cost or 0)

    def release(self, reservation: Reservation) -> None:
        """Give back what a call that never reached the provider had reserved."""
        self.tokens -= reservation.tokens
        self.cost -= reservation.cost or 0


def trusted(usage: Usage | None) -> int | None:
    """Tokens of a call as reported; None where the report is missing or impossible."""
    if usage is None or usage.input is None or usage.output is None:
        return None
    return usage.input + usage.output if usage.input > 0 and usage.output >= 0 else None
