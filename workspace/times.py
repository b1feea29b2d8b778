"""Times of the journal: microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime


def when(microseconds: int) -> datetime:
    """A journal time as an aware UTC datetime."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
