"""The panes of the office, by name."""

from __future__ import annotations

from widgets.document import DocumentPane
from widgets.meter import MeterPane
from widgets.pane import AnyPane
from widgets.plan import PlanPane
from widgets.scrubber import ScrubberPane
from widgets.talk import TalkPane
from widgets.timeline import TimelinePane
from widgets.why import WhyPane


class Panes:
    """Each pane that frames fill; made with the application."""

    def __init__(self) -> None:
        self.talk = TalkPane(id="talk")
        self.document = DocumentPane(id="document")
        self.plan = PlanPane(id="plan")
        self.meter = MeterPane(id="meter")
        self.timeline = TimelinePane(id="timeline")
        self.scrubber = ScrubberPane(id="scrubber")
        self.why = WhyPane(id="why")
        self.all: tuple[AnyPane, ...] = (
            self.talk, self.document, self.plan, self.meter, self.timeline, self.scrubber, self.why,
        )  # fmt: skip
        self._named = {pane.id: pane for pane in self.all}

    def __getitem__(self, name: str) -> AnyPane:
        return self._named[name]
