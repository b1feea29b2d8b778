"""Amounts as a person reads them, in commands and panes alike: estimates say so, and what is unknown is never 0."""

from __future__ import annotations

from datetime import datetime

from workspace.totals import Total

_UNITS = ((60, "s"), (60, "min"), (24, "h"), (30, "d"), (12, "mo"))

# -- tokens


def tokens(total: Total) -> str:
    """A sum in a column: ``12,345``, ``~678`` where some of it is estimated, ``12,345 + ?``, ``?``.

    Empty without calls.
    """
    if not total.calls:
        return ""
    text = f"{'~' if total.estimated else ''}{total.known:,}"
    if total.unknown:
        return f"{text} + ?" if total.known else "?"
    return text


def narrow(total: Total) -> str:
    """A sum with its parts in a few cells: ``1,234 ~678 2 ?``, ``?`` for a single call. Empty without calls."""
    if not total.calls:
        return ""
    return " ".join(_parts(total, "?" if total.calls == 1 else f"{total.unknown:,} ?"))


def together(total: Total) -> str:
    """A sum with all its parts in one text: ``2,140 + ~85 + 1 ?``; ``0`` where nothing was asked."""
    return " + ".join(_parts(total, f"{total.unknown:,} ?"))


def in_words(total: Total) -> str:
    """The same in a sentence: ``2,140 + ~85 + 1 call ?``."""
    return " + ".join(_parts(total, _unknown_calls(total)))


def made_of(total: Total) -> list[str]:
    """What a sum is made of: ``reported 12,345``, ``~678``, ``2 calls ?``; what is not there is left out."""
    return _parts(total, _unknown_calls(total), reported="reported ")


def _parts(total: Total, unknown: str, reported: str = "") -> list[str]:
    parts = []
    if total.reported or not (total.estimated or total.unknown):
        parts.append(f"{reported}{total.reported:,}")
    if total.estimated:
        parts.append(f"~{total.estimated:,}")
    if total.unknown:
        parts.append(unknown)
    return parts


def _unknown_calls(total: Total) -> str:
    return f"{plural(total.unknown, 'call')} ?"


# -- money


def money(total: Total) -> str:
    """What a sum costs, in a column: ``$0.0123``, ``$0.0123 + ?``; ``–`` without a price, empty without calls."""
    if not total.calls:
        return ""
    if total.unpriced == total.calls:
        return "–"
    return f"{dollars(total.cost)} + ?" if total.unpriced else dollars(total.cost)


def dollars(cost: int) -> str:
    """An amount of 1e-9 USD in at most 8 cells up to a million; less than shows is ``<$0.0001``, never 0."""
    if 0 < cost < 100_000:
        return "<$0.0001"
    value = cost / 1e9
    if cost == 0:
        return "$0"
    if value < 10:
        return f"${value:.4f}"
    return f"${value:,.2f}" if value < 10_000 else f"${value:,.0f}"


def usd(total: Total) -> str:
    """What a sum costs, in a sentence: ``0.0123 USD``, ``0.0123 USD + ?``, ``– USD`` without a known price."""
    if total.unpriced == total.calls:
        return "– USD"
    return f"{total.cost / 1e9:.4f} USD{' + ?' if total.unpriced else ''}"


# -- counts and sizes


def plural(count: int, word: str) -> str:
    """``1 document``, ``3 documents``, ``2 entries``."""
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count:,} {word if count == 1 else many}"


def fitted(number: int, width: int) -> str:
    """A number in ``width`` cells, never cut: ``12,345``, ``1048576`` where commas do not fit, else ``12.3M``."""
    for text in (f"{number:,}", f"{number}", f"{number / 1e6:.1f}M", f"{number / 1e9:.1f}G"):
        if len(text) <= width:
            return text
    return f"{number:.0e}"


def size(count: float) -> str:
    """A number of bytes, e.g. ``1.4 MiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def lines_of(added: int | None, removed: int | None) -> str:
    """Line counts as ``+3 −1``; ``binary`` where there are none."""
    return "binary" if added is None or removed is None else f"+{added:,} −{removed:,}"


# -- times: of the journal, in microseconds since 1970


def time_of_day(moment: int) -> str:
    """A time on the local clock: ``14:03:22``."""
    try:
        return datetime.fromtimestamp(moment / 1_000_000).strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "??:??:??"


def date_and_time(moment: int) -> str:
    """A local time to the second: ``2024-05-03 14:03:22``."""
    return datetime.fromtimestamp(moment / 1e6).strftime("%Y-%m-%d %H:%M:%S")


def lasted(duration: int) -> str:
    """A duration in microseconds in at most 6 cells: ``<1 ms``, ``340 ms``, ``2.1 s``, ``12m05s``, ``3h05m``."""
    if duration < 1_000:
        return "<1 ms"
    if duration < 999_500:
        return f"{duration / 1_000:.0f} ms"
    seconds = duration / 1_000_000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6_000:
        return f"{whole // 60}m{whole % 60:02}s"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours}h{rest:02}m" if hours < 100 else f"{hours // 24} days"


def age(duration: int) -> str:
    """A duration in microseconds in the largest unit that is not 0: ``3 s``, ``2 h``, ``5 mo``; never negative."""
    value = max(0, duration) // 1_000_000
    for most, unit in _UNITS:
        if value < most:
            return f"{value} {unit}"
        value //= most
    return f"{value:,} y"


def ago(duration: int) -> str:
    """The age of what is so old: ``3 s ago``, ``2 h ago``."""
    return f"{age(duration)} ago"
