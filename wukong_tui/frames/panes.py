"""The panes of the office, by name."""

from __future__ import annotations

from widgets.document import Document
from widgets.meter import Meter
from widgets.pane import AnyPane
from widgets.plan import Plan
from widgets.scrubber import Scrubber
from widgets.talk import Talk
from widgets.timeline import Timeline
from widgets.why import Why


class Panes:
    """Each pane that frames fill; made with the application."""

    def __init__(self) -> None:
        self.talk = Talk(id="talk")
        self.document = Document(id="document")
        self.plan = Plan(id="plan")
        self.meter = Meter(id="meter")
        self.timeline = Timeline(id="timeline")
        self.scrubber = Scrubber(id="scrubber")
        self.why = Why(id="why")
        self.all: tuple[AnyPane, ...] = (
            self.talk, self.document, self.plan, self.meter, self.timeline, self.scrubber, self.why,
        )  # fmt: skip
        self._named = {pane.id: pane for pane in self.all}

    def __getitem__(self, name: str) -> AnyPane:
        return self._named[name]
