"""What somebody asks for: a capability by its name, with arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A capability and its arguments, JSON values; nothing of it has been checked yet.

    Bytes arrive as text decoded with surrogateescape, and are to be encoded so.
    """

    name: str
    arguments: Any
    id: str | None = None
    """What who asks calls it: the answer is told under this."""
    written: str | None = None
    """The arguments as they were written, where that is known: this is what is recorded."""
    label: str | None = None
    """What its operation is called, where its arguments do not say it best."""

    def payload(self) -> bytes:
        """The request as it is recorded."""
        written = self.written if self.written is not None else json.dumps(self.arguments, default=str)
        return written.encode("utf-8", "replace")
