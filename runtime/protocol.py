"""Commands in, events out: plain typed messages, the same in process and over the socket.

On the socket each message is one line of JSON: ``{"type": "Prompt", …}``. A command is
answered by one Reply with its number; events come between, and may be dropped: they are
idempotent, and ``Attach`` returns all that is needed to go on.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from workspace.entries import Mode
from workspace.errors import WorkspaceError, restored

VERSION = 2
JsonObject = dict[str, Any]
"""A JSON object that crosses the socket, in an answer or as arguments of an act."""
ActName = Literal["scan", "restore", "revert", "undo", "redo", "apply", "drop", "branch", "checkout", "merge"]
"""The acts that ``runtime.host.acts`` declares."""
"""What a person can have done to the documents."""

# -- commands


@dataclass(frozen=True, slots=True)
class Attach:
    """Receive events from now on; answered with ``{"entry", "texts": [{"operation", "text"}], "sessions", …}``."""

    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a session, resume one (``resume``), or fork one from an entry (``fork``); answered with its name.

    Without ``model`` a resumed or forked session goes on with the one that was asked there.
    """

    resume: str | None = None
    fork: int | None = None
    model: str | None = None
    mode: Mode = "ask"
    max_tokens: int | None = None
    max_cost: int | None = None
    """1e-9 USD."""
    inside: str = ""
    """Where the workspace appears in the sandbox; at its own path where nothing is said."""
    scope: Literal["internal", "external"] = "internal"
    """Where the conversation takes place: in an external one a person is asked about whatever changes something."""
    overlay: bool | None = None
    """Whether commands run on an overlay, where that works (by default), or in the workspace itself."""
    secrets: bool | None = None
    """Whether commands on an overlay see files that likely hold secrets (by default not)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Give a session something to do; queued while it works. Answered with the prompt's operation."""

    session: str
    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop what a session is doing; what it did so far stands."""

    session: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Let a session pause before its next operation, or go on; interrupting it lets it go, too."""

    session: str
    held: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer an approval: ``allow`` once or for the ``session``, or refuse with a reason told to the model."""

    approval: int
    allow: Literal["once", "session", "no"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Perform:
    """An act on the workspace, ``arguments`` as its command takes them."""

    name: ActName
    arguments: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refresh:
    """Record what others changed in the folder; answered once that is done with ``{"watching", "why"}``."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answered with ``{"pid", "version", "clients", "running": [session], "since", "watching", "why"}``.

    ``watching`` is how edits from outside are seen: ``live``, ``polling`` or ``off``; ``why`` it is not live.
    """


@dataclass(frozen=True, slots=True)
class Stop:
    """Interrupt everything, record it and leave; with ``idle`` only if nothing is at work."""

    idle: bool = False


Command = Attach | Open | Prompt | Interrupt | Hold | Answer | Perform | Refresh | Status | Stop

# -- events and replies


@dataclass(frozen=True, slots=True)
class Advanced:
    """The journal has grown to ``entry``: read the database."""

    entry: int


@dataclass(frozen=True, slots=True)
class Delta:
    """Text in flight of an operation: ``text`` stands at character ``offset``."""

    operation: int
    offset: int
    text: str


Event = Advanced | Delta


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to command ``number``: a JSON value, or an error: one sentence, its code and its data."""

    number: int
    value: Any = None
    error: str | None = None
    code: str | None = None
    data: JsonObject | None = None

    @classmethod
    def failed(cls, number: int, error: WorkspaceError) -> Reply:
        """The answer to a command that raised an error."""
        return cls(number, error=str(error), code=error.code, data=error.data() or None)

    def result(self) -> Any:
        """The value. Raises the error instead, of the class that it had where it came from."""
        if self.error is not None:
            raise restored(self.code, self.error, self.data)
        return self.value


_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Attach,
        Open,
        Prompt,
        Interrupt,
        Hold,
        Answer,
        Perform,
        Refresh,
        Status,
        Stop,
        Advanced,
        Delta,
        Reply,
    )
}


class ProtocolError(WorkspaceError):
    """A line that is no message of ours."""

    code = "protocol"


def encode(message: Command | Event | Reply, number: int | None = None) -> bytes:
    """A message as one line; a command carries its ``number``."""
    record = {"type": type(message).__name__, **asdict(message)}
    if isinstance(message, Reply):  # a host or client of another version reads its plain answers
        record = {name: value for name, value in record.items() if value is not None or name not in ("code", "data")}
    if number is not None:
        record["number"] = number
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> tuple[Command | Event | Reply, int | None]:
    """The message in a line and, for a command, its number. Raises ProtocolError."""
    try:
        record = json.loads(line)
        kind = _TYPES[record.pop("type")]
        number = record.pop("number", None) if kind is not Reply else None
        _check(kind, record)
        message: Command | Event | Reply = kind(**record)
        return message, number
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"This is no message of protocol {VERSION}: {error}.") from error


def _check(kind: type, record: JsonObject) -> None:
    """See that a record has exactly the fields of a message, each of its type. Raises ProtocolError."""
    known = _fields(kind)
    if not set(record) <= set(known):
        raise ProtocolError(f"{kind.__name__} has no {', '.join(sorted(set(record) - set(known)))}.")
    for name, (hint, required) in known.items():
        if name not in record:
            if required:
                raise ProtocolError(f"{kind.__name__}: {name} is missing.")
        elif not _fits(record[name], hint):
            raise ProtocolError(f"{kind.__name__}: {name} has to be {_described(hint)}.")


@cache
def _fields(kind: type) -> dict[str, tuple[object, bool]]:
    """The type of each field of a message, and whether it must be given."""
    hints = get_type_hints(kind)
    return {
        f.name: (hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    }  # fmt: skip


def _fits(value: object, hint: object) -> bool:
    """Whether a JSON value is of a type: one of ours above, no more of typing than those use."""
    if hint is Any:
        return True
    origin = get_origin(hint)
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if origin is UnionType:
        return any(_fits(value, part) for part in get_args(hint))
    if origin is dict:
        return isinstance(value, dict)
    return type(value) is hint  # a bool is no int, though Python takes it for one


_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", NoneType: "null"}


def _described(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    if get_origin(hint) is UnionType:
        return " or ".join(_described(part) for part in get_args(hint))
    return _NAMES[get_origin(hint) or hint]
