"""Textual's application with what it has no public place for: what opening sends, how an error ends it."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.screen import Screen

from wukong_tui.textual_adapter import cell_updates
from wukong_tui.textual_adapter.terminal import Driver, backlog


class AdaptedApp(App[None]):
    """An application on our driver that sends the cells that changed, and on an error ends with one sentence."""

    def __init__(self) -> None:
        super().__init__(driver_class=Driver)
        cell_updates.install()
        self._opening: cell_updates.Opening | None = cell_updates.Opening()

    @property
    def backlog(self) -> int:
        """Writes that wait for the terminal to take them."""
        return backlog(self._driver)

    def opened(self) -> None:
        """The terminal shows the first frame: updates are sent as they are from now on."""
        self._opening = None

    def resized(self) -> None:
        """The terminal has another size; what it shows after it was opened is not known any more."""
        if self._opening is not None and self._opening.is_over:
            self._opening = None

    def last_words(self, error: BaseException) -> str:
        """The sentence with which the application ends after an error."""
        return f"Ended: {type(error).__name__}."

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if self._opening is not None and isinstance(renderable, CompositorUpdate):
            renderable = self._opening.news(renderable)
        super()._display(screen, renderable)

    def _fatal_error(self) -> None:
        error = self._exception
        if error is None or self.is_headless:
            super()._fatal_error()
            return
        self._exit_renderables.append(Text(self.last_words(error)))
        self._close_messages_no_wait()
