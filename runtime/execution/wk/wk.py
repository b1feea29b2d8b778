"""The capabilities of the office, for programs that run in its sandbox.

    import wk
    text = wk.read("notes.txt")
    wk.edit("notes.txt", old="teh", new="the")

A call that changes something is sent and not waited for: its reply waits when it is
looked at. A call that failed raises WkError at the next look, at wk.flush(), or ends the
program with status 1. Bytes are sent as text with surrogateescape, and come back so.
"""

from __future__ import annotations

import atexit as _atexit
import json as _json
import os as _os
import select as _select
import socket as _socket
import sys as _sys
import threading as _threading
from typing import Any, Iterator  # noqa: UP035 - the oldest Python here is 3.8

SYNTAX = """\
wk NAME [VALUE ...] [key=value ...]   one call: wk read notes.txt
                                      wk edit notes.txt old=teh new=the
    key:=JSON    a number, true, a list: lines:=20
    key@=FILE    the content of a file, - for standard input
wk NAME '{"key": "value"}'            the same call, its arguments as JSON
wk -                                  such lines, without wk, from standard input over one connection,
                                      or {"name": "edit", "arguments": {...}}; for thousands of calls
wk help [NAME]                        what there is, from the office

In Python: import wk; text = wk.read("notes.txt"); wk.edit("notes.txt", old="teh", new="the")
Changes are sent without waiting; wk.flush() waits for all. Status 0 done, 1 failed, 2 wrong usage.
"""
_PLACE = "/run/wk.sock"


class WkError(Exception):
    """A call was refused or failed; the message says which and why."""


class Pending:
    """The answer to a call; whoever looks at it waits for it, and meets the first error there was."""

    __slots__ = ("_call", "_done", "_error", "_link", "_value")

    def __init__(self, link: _Link, call: str) -> None:
        self._link = link
        self._call = call
        self._done = False
        self._value: Any = None
        self._error: WkError | None = None

    def wait(self) -> Any:
        """The value of the call. Raises WkError."""
        self._link.wait(self)
        self._link.check()
        if self._error is not None:
            raise self._error
        return self._value

    def __str__(self) -> str:
        return str(self.wait())

    def __repr__(self) -> str:
        return repr(self.wait())

    def __eq__(self, other: object) -> bool:
        return bool(self.wait() == (other.wait() if isinstance(other, Pending) else other))

    def __hash__(self) -> int:
        return hash(self.wait())

    def __bool__(self) -> bool:
        return bool(self.wait())

    def __len__(self) -> int:
        return len(self.wait())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.wait())

    def __contains__(self, part: object) -> bool:
        return part in self.wait()

    def __format__(self, form: str) -> str:
        return format(self.wait(), form)

    def __getitem__(self, at: Any) -> Any:
        return self.wait()[at]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.wait(), name)


class _Link:
    """The one connection of a process. Calls go out at once; replies are read when something waits."""

    def __init__(self) -> None:
        self.lock = _threading.RLock()
        self.signatures: dict[str, list[str]] = {}
        self.later: frozenset[str] = frozenset()
        self.socket: _socket.socket | None = None
        self._process = 0
        self._waiting: dict[int, Pending] = {}
        self._errors: list[WkError] = []
        self._number = 0
        self._rest = b""

    def call(self, name: str, values: tuple[object, ...], arguments: dict[str, object], line: int = 0) -> Pending:
        """Send a call; its reply to come."""
        with self.lock:
            self.open()
            if values:
                names = self.signatures.get(name)
                if names is None:
                    raise WkError(f"There is no {name}; wk.help() says what there is.")
                if len(values) > len(names) or any(key in arguments for key in names[: len(values)]):
                    raise WkError(f"{name} takes {', '.join(names) or 'nothing'}.")
                arguments = {**dict(zip(names, values)), **arguments}  # noqa: B905 - Python 3.8
            self._number += 1
            record = {"id": self._number, "name": name, "arguments": arguments}
            data = _json.dumps(record, separators=(",", ":"), default=_plain).encode("ascii") + b"\n"
            first = next((str(value)[:60] for value in arguments.values()), "")
            reply = Pending(self, f"{name} {first}".strip() + (f" (line {line})" if line else ""))
            self._waiting[self._number] = reply
            self._send(data)
            return reply

    def open(self) -> None:
        """Connect, once in each process."""
        if self.socket is not None and self._process == _os.getpid():
            return
        self._process = _os.getpid()  # after a fork the connection is the parent's
        self._waiting, self._errors, self._rest = {}, [], b""
        self.socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self.socket.connect(_os.environ.get("WK_SOCKET", _PLACE))
        except OSError as error:
            self.socket = None
            raise WkError(f"There is no office here: wk works in programs that it runs ({error.strerror}).") from None
        # The more calls are under way, the fewer commits they need.
        self.socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 1 << 20)
        self.socket.setblocking(False)
        while not self.signatures:
            self.receive()

    def wait(self, reply: Pending | None = None) -> None:
        """Wait for one reply, or for all."""
        with self.lock:
            while not reply._done if reply is not None else self._waiting:
                self.receive()

    def check(self) -> None:
        """Raise the first error that nobody has met yet."""
        with self.lock:
            if self._errors and self._process == _os.getpid():
                raise self._errors.pop(0)

    def rest(self) -> list[WkError]:
        """Wait for all; the errors that nobody has met."""
        with self.lock:
            if self._process != _os.getpid():
                return []
            try:
                self.wait()
            except WkError as error:
                self._errors.append(error)
            errors, self._errors = self._errors, []
            return errors

    def receive(self) -> None:
        """Wait for something to arrive and take it."""
        assert self.socket is not None
        self._poll(_select.POLLIN)
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            lost, self._waiting = list(self._waiting.values()), {}
            for reply in lost:
                reply._done, reply._error = True, WkError(f"{reply._call}: the office has gone before it answered.")
            raise WkError(f"The office has gone; {len(lost):,} calls were not answered.")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(_json.loads(line))

    def _take(self, record: dict[str, Any]) -> None:
        if "door" in record:
            self.later = frozenset(record["later"])
            self.signatures = {"help": ["name"], **record["signatures"]}
            return
        reply = self._waiting.pop(record["id"], None)
        if record["ok"]:
            if reply is not None:
                reply._done, reply._value = True, record.get("value")
            return
        error = WkError(f"{reply._call}: {record['error']}" if reply is not None else record["error"])
        if reply is None:  # the door refuses us, not a call
            raise error
        reply._done, reply._error = True, error
        self._errors.append(error)

    def _send(self, data: bytes) -> None:
        assert self.socket is not None
        view = memoryview(data)
        while view:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:
                if self._poll(_select.POLLIN | _select.POLLOUT) & _select.POLLIN:
                    self.receive()
            except OSError:
                while True:  # what it said before it left, then that it has left
                    self.receive()

    def _poll(self, events: int) -> int:
        assert self.socket is not None
        poll = _select.poll()
        poll.register(self.socket, events)
        return poll.poll()[0][1]


_link = _Link()


def call(name: str, *values: object, **arguments: object) -> Any:
    """Call a capability whatever its name; one that changes something answers later, see Pending."""
    return _call(name, values, arguments)


def flush() -> None:
    """Wait until every call is done and durable. Raises WkError for the first that failed."""
    _link.wait()
    _link.check()


def _call(name: str, values: tuple[object, ...], arguments: dict[str, object]) -> Any:
    frame = _sys._getframe(2)
    reply = _link.call(name, values, arguments, frame.f_lineno)
    return reply if name in _link.later else reply.wait()


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)

    def capability(*values: object, **arguments: object) -> Any:
        return _call(name, values, arguments)

    capability.__name__ = name
    globals()[name] = capability
    return capability


def _plain(value: object) -> object:
    if isinstance(value, Pending):
        return value.wait()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "surrogateescape")
    if isinstance(value, _os.PathLike):
        return _os.fsdecode(_os.fspath(value))
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _tell(errors: list[WkError]) -> None:
    for error in errors[:10]:
        _sys.stderr.write(f"wk: {error}\n")
    if len(errors) > 10:
        _sys.stderr.write(f"wk: and {len(errors) - 10:,} more calls failed\n")


def _finish() -> None:
    errors = _link.rest()
    if errors:
        _tell(errors)
        _sys.stdout.flush()
        _sys.stderr.flush()
        _os._exit(1)  # at this point nothing milder changes the status


_atexit.register(_finish)


# -- the command


class _Usage(Exception):
    pass


def main(words: list[str]) -> int:
    """The command ``wk``; its exit status."""
    try:
        if not words or words[0] in ("-h", "--help"):
            _sys.stdout.write(SYNTAX)
            return 0 if words else 2
        if words == ["-"]:
            return _lines()
        name, values, arguments = _parse(words)
        if words == ["help"]:
            _show("help", SYNTAX + "\n", False)
        _show(name, _link.call(name, values, arguments).wait(), False)
    except _Usage as error:
        _sys.stderr.write(f"wk: {error}\n")
        return 2
    except WkError as error:
        _tell([error])
        return 1
    except BrokenPipeError:  # whoever read has left
        _os.dup2(_os.open(_os.devnull, _os.O_WRONLY), 1)
        return 1
    return 0


def _parse(words: list[str]) -> tuple[str, tuple[object, ...], dict[str, object]]:
    name, rest = words[0], words[1:]
    if len(rest) == 1 and rest[0].startswith("{"):
        try:
            return name, (), dict(_json.loads(rest[0]))
        except ValueError as error:
            raise _Usage(f"The arguments of {name} are no JSON: {error}.") from None
    _link.open()
    known = _link.signatures.get(name, [])
    values: list[object] = []
    arguments: dict[str, object] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        kind = key[-1:] if key[-1:] in (":", "@") and key[:-1].isidentifier() else ""
        key = key[:-1] if kind else key
        if not equals or (key not in known if known else not key.isidentifier()):
            values.append(word)
        elif kind == ":":
            try:
                arguments[key] = _json.loads(value)
            except ValueError as error:
                raise _Usage(f"{key} is no JSON: {error}.") from None
        elif kind == "@":
            try:
                with open(0 if value == "-" else value, "rb") as file:
                    arguments[key] = file.read()
            except OSError as error:
                raise _Usage(f"{value} cannot be read: {error.strerror}.") from None
        else:
            arguments[key] = value
    return name, tuple(values), arguments


def _show(name: str, value: object, apart: bool) -> None:
    """Print a value: text as it is; what stands alone ends a line."""
    if value is None:
        return
    text = value if isinstance(value, str) else _json.dumps(value, ensure_ascii=False) + "\n"
    if (apart or name in _link.later or name == "help") and not text.endswith("\n"):
        text += "\n"
    _sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    _sys.stdout.buffer.flush()


def _lines() -> int:
    """Calls from standard input; values of those that only look are printed in order."""
    _link.open()
    assert _link.socket is not None
    poll = _select.poll()
    poll.register(0, _select.POLLIN)
    poll.register(_link.socket, _select.POLLIN)
    status, number, rest, more = 0, 0, b"", True
    asked: list[tuple[int, str, Pending]] = []
    while more or asked:
        ready = [handle for handle, _ in poll.poll()] if more else []
        if 0 in ready:
            data = _os.read(0, 1 << 16)
            if not data:
                more, data = False, b"\n"
                poll.unregister(0)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                number += 1
                try:
                    if words := line.decode("utf-8", "surrogateescape").strip():
                        name, values, arguments = _line(words)
                        asked.append((number, name, _link.call(name, values, arguments)))
                except (_Usage, WkError, ValueError) as error:
                    _sys.stderr.write(f"wk: line {number}: {error}\n")
                    status = 1
        elif asked:
            _link.receive()
        elif more:
            _link.receive()  # nothing was asked: it can only say that it goes
        at = 0
        while at < len(asked) and asked[at][2]._done:
            line_number, name, reply = asked[at]
            at += 1
            if reply._error is not None:
                _sys.stderr.write(f"wk: line {line_number}: {reply._error}\n")
                status = 1
            elif name not in _link.later:
                _show(name, reply._value, True)
        del asked[:at]
    _link.rest()  # they have been told
    return status


def _line(text: str) -> tuple[str, tuple[object, ...], dict[str, object]]:
    if text.startswith("{"):
        record = _json.loads(text)
        return str(record.get("name")), (), dict(record.get("arguments", {}))
    if text.startswith("#"):
        raise _Usage("comments are not calls")
    import shlex

    return _parse(shlex.split(text))


if __name__ == "__main__":
    _sys.exit(main(_sys.argv[1:]))
