"""Records of sessions: what was asked, answered, called and allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from workspace.entries.detail import Record, Recorded, flag, number, numbers, some, text, texts

Mode = Literal["read-only", "ask", "auto"]
"""What a session may do without asking."""
Attribution = Literal["certain", "probable", "joint"]
"""How sure it is whose the changes of a command are."""
_ATTRIBUTION: Mapping[str, Attribution] = {"probable": "probable", "joint": "joint"}
Scope = Literal["internal", "external"]
"""Where a conversation takes place; external narrows what is allowed."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a session left another one: the entry up to which they are the same."""

    session: str
    entry: int


@dataclass(frozen=True, slots=True)
class SessionEntry(Record):
    """A session as it began, or its settings from an entry on. Limits: tokens, 1e-9 USD; None is without."""

    model: str | None = None
    """The model that answers."""
    asked: str | None = None
    """The model as a person named it."""
    mode: Mode | None = None
    inside: str | None = None
    """Where the workspace appears in the sandbox."""
    max_tokens: int | None = None
    max_cost: int | None = None
    fork: Fork | None = None
    scope: Scope = "internal"
    on_overlay: bool = True
    """Whether commands run on an overlay of the workspace, where that works."""
    secrets: bool = False
    """Whether commands on an overlay see files that likely hold secrets."""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        detail = entry.detail
        left, fork = detail.get("fork"), None
        if isinstance(left, Mapping) and isinstance(left.get("session"), str) and isinstance(left.get("entry"), int):
            fork = Fork(left["session"], left["entry"])
        mode: Mode | None = None
        if "mode" in detail:
            mode = "auto" if detail["mode"] == "auto" else "ask" if detail["mode"] == "ask" else "read-only"
        return cls(
            some(detail, "model"), some(detail, "asked"), mode, some(detail, "inside"),
            number(detail, "max_tokens"), number(detail, "max_cost"), fork,
            "internal" if detail.get("scope", "internal") == "internal" else "external",
            detail.get("on_overlay") is not False, flag(detail, "secrets"),
        )  # fmt: skip

    def detail(self) -> dict[str, object]:
        fork = {"fork": {"session": self.fork.session, "entry": self.fork.entry}} if self.fork else {}
        return {**Record.detail(self), **fork}

    def renewed(self, settings: SessionEntry) -> SessionEntry:
        """What holds after newer settings: their limits, and whatever else they say."""
        return replace(
            self, model=settings.model or self.model, asked=settings.asked or self.asked,
            mode=settings.mode or self.mode, inside=settings.inside or self.inside,
            max_tokens=settings.max_tokens, max_cost=settings.max_cost, on_overlay=settings.on_overlay,
            secrets=settings.secrets,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CauseEntry(Record):
    """Where an act comes from, as far as its prompt and its session do not say so."""

    principal: str | None = None
    scope: Scope = "internal"


@dataclass(frozen=True, slots=True)
class PromptEntry(Record):
    """A prompt, by its end: why it failed. Its payload is what was asked, as text."""

    error: str = ""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(text(entry.detail, "error"))


@dataclass(frozen=True, slots=True)
class ModelEntry(Record):
    """A call of a model. Its payload is the reply as a message, in JSON."""

    asked: int = 0
    """Tokens sent, estimated."""
    limit: int = 0
    """Tokens that the reply may take; 0 is without limit."""
    finish: str = ""
    """Why the reply ended."""
    error: str = ""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        detail = entry.detail
        return cls(
            number(detail, "asked") or 0, number(detail, "limit") or 0, text(detail, "finish"),
            text(detail, "error"),
        )  # fmt: skip

    @property
    def reserved(self) -> int:
        """Tokens that it can have taken, as far as anybody knew before it was made."""
        return self.asked + self.limit


@dataclass(frozen=True, slots=True)
class SummaryEntry(Record):
    """A summary that stands for all but the ``kept`` newest messages. Its payload is its text."""

    kept: int = 0

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(number(entry.detail, "kept") or 0)


@dataclass(frozen=True, slots=True)
class CapabilityEntry(Record):
    """A call of a capability. Its payload is its arguments in JSON, and by its end the answer."""

    call: str | None = None
    """The id of the call in the model's reply."""
    capability: str | None = None
    attribution: Attribution = "certain"
    """Probable: somebody else may have made some of its changes. Joint: the operations ``together`` with it may."""
    sandbox: bool = True
    whole: bool = False
    """This part holds the whole answer, of which the model was told less."""
    error: str = ""
    together: tuple[int, ...] = ()

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        detail = entry.detail
        return cls(
            some(detail, "call"), some(detail, "capability"),
            _ATTRIBUTION.get(text(detail, "attribution"), "certain"), detail.get("sandbox") is not False,
            flag(detail, "whole"), text(detail, "error"), numbers(detail, "together"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApprovalEntry(Record):
    """What a person answered. The payload is the arguments that they were asked about, in JSON."""

    allow: str | None = None
    reason: str = ""
    effects: tuple[str, ...] = ()
    """What the call that was asked about would do."""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        detail = entry.detail
        return cls(some(detail, "allow"), text(detail, "reason"), texts(detail, "effects"))


def reply_text(payload: bytes) -> str:
    """What a model said, in the payload of its call: the text of a message in JSON; what is none, as it is."""
    message = _json(payload)
    if isinstance(message, dict):
        return text(message, "content")
    return payload.decode("utf-8", "replace")


def given_arguments(payload: bytes) -> dict[str, object] | None:
    """What a call was given, in the payload of its operation or of an approval; None where that is no JSON object."""
    found = _json(payload)
    return found if isinstance(found, dict) else None


def _json(payload: bytes) -> object:
    try:
        found: object = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found
