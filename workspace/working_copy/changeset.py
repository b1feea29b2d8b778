"""Change sets: what one execution changed, read from the upper folder of its overlay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Upper:
    """The upper folder of an overlay and what is known of its mount.

    ``mounted`` is the time just before the mount, in ns since 1970; ``entry`` the newest entry of the
    journal then. While processes live on it (``live``) it is read and never touched.
    ``hidden`` paths were kept out of sight by a layer of whiteouts, so what lies there is no change of theirs.
    """

    folder: Path
    mounted: int
    entry: int
    operation: int
    session: str
    live: bool = False
    same_filesystem: bool = True
    hidden: frozenset[str] = frozenset()
