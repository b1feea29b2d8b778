"""What waits for a person to say yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.protocol import Answer
from workspace.errors import WorkspaceError
from wukong_tui.frames.frame import Approval

if TYPE_CHECKING:
    from wukong_tui.app import Office
    from wukong_tui.screens.approval import AnswerWord, ApprovalAnswer, ApprovalScreen


class Answering:
    """Asks for the oldest approval that was not put off, and brings the answer to the host."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.waiting: dict[int, Approval] = {}
        """What asks for an answer, by operation, oldest first."""
        self._postponed: set[int] = set()
        self._asking: tuple[int, ApprovalScreen] | None = None

    def approve(self, asked: Sequence[Approval]) -> None:
        """Keep what waits for an answer; ask for the oldest that was not put off, unless something else is asked."""
        self.waiting = {approval.operation: approval for approval in asked}
        self._postponed &= set(self.waiting)
        if self._asking is not None and self._asking[0] not in self.waiting:
            _, screen = self._asking  # somebody else has answered
            if screen is self._app.screen:
                screen.dismiss(None)
        self._next()

    def ask_again(self) -> None:
        """Answer what was put off."""
        self._postponed.clear()
        if not self.waiting:
            self._app.state.notice = "Nothing is waiting for an answer."
        self._next()

    def _next(self) -> None:
        open_ones = [approval for operation, approval in self.waiting.items() if operation not in self._postponed]
        if open_ones and self._asking is None and len(self._app.screen_stack) == 1:
            self._ask(open_ones[0])

    def _ask(self, approval: Approval) -> None:
        """Show exactly what would be done, and ask."""
        from wukong_tui.screens.approval import ApprovalScreen

        app = self._app

        def answered(answer: ApprovalAnswer | None) -> None:
            self._asking = None
            if answer is not None:
                app.beside(self._answer(approval.operation, answer.allow, answer.reason), "acts")
            elif approval.operation in self.waiting:
                self._postponed.add(approval.operation)
                app.notify_person("Still waiting for your answer; ctrl+o shows it again.")
            app.wake()

        screen = ApprovalScreen(approval.session, approval.capability, approval.arguments, approval.effects)
        self._asking = (approval.operation, screen)
        app.push_screen(screen, answered)

    async def _answer(self, operation: int, allow: AnswerWord, reason: str) -> None:
        self._postponed.add(operation)  # until it is seen to be answered
        try:
            await self._app.backend.call(Answer(operation, allow, reason))
        except WorkspaceError as error:
            self._app.notify_person(str(error))
