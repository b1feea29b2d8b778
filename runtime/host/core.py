"""What a host serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from runtime.protocol import Command, Event

IDLE = 2.0
"""Seconds after which a host that was started on demand, and that nobody needs, leaves."""


class Core(Protocol):
    """The office that a host serves. All of it is called in the thread of the host's event loop."""

    async def start(self) -> None:
        """Take the workspace's write lock and recover. Raises WorkspaceError, and then holds nothing."""
        ...

    async def close(self) -> None:
        """Interrupt what runs, record it and let go of the workspace."""
        ...

    async def handle(self, command: Command) -> Any:
        """Carry out a command; the JSON value of its reply. Raises WorkspaceError of one sentence.

        Commands of one client begin in the order in which it sent them. For ``Attach`` the
        server itself adds the texts, for ``Status`` all but ``running``; after ``Stop`` it
        closes the core.
        """
        ...

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Tell a listener of every event from now on; what ends that. Listeners return at once."""
        ...

    def texts(self) -> list[tuple[int, str]]:
        """Operations in flight and their text so far, every delta that listeners were told of included."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something runs or waits, so that the host has to stay."""
        ...
