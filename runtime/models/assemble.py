"""Tool calls put together from streamed fragments, however a provider cuts them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from runtime.models.base import ToolCall


@dataclass(slots=True)
class _Open:
    id: str = ""
    name: str = ""
    arguments: str = ""


class CallFragments:
    """Collects fragments. They belong together by index; ids and names tell where indices are wrong.

    >>> calls = CallFragments()
    >>> calls.add(0, "a", "run", '{"command"')
    >>> calls.add(0, None, None, ': "ls"}')
    >>> calls.finish()
    (ToolCall(id='a', name='run', arguments='{"command": "ls"}'),)
    """

    def __init__(self) -> None:
        self._all: list[_Open] = []
        self._at: dict[int, _Open] = {}

    def add(self, index: int | None, id: str | None, name: str | None, arguments: object) -> None:
        """Take one fragment; None is what it does not say. Arguments may be text or already an object."""
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        place = index or 0
        call = self._at.get(place)
        if call is None or self._is_next(call, id, name):
            call = self._at[place] = _Open()
            self._all.append(call)
        call.id = call.id or id or ""
        if name and name != call.name:  # some providers repeat the whole name with every fragment
            call.name += name
        call.arguments += arguments or ""

    def __bool__(self) -> bool:
        return bool(self._all)

    def finish(self) -> tuple[ToolCall, ...]:
        """The calls in order, arguments as raw text.

        A call without an id gets one. An id that an earlier, different call has is made
        distinct; a call that repeats an earlier one entirely keeps its id, for all to see.
        """
        made: list[ToolCall] = []
        for call in self._all:
            id = call.id or f"call_{uuid.uuid4().hex[:12]}"
            same = next((earlier for earlier in made if earlier.id == id), None)
            if same is not None and (same.name, same.arguments) != (call.name, call.arguments):
                id = f"{id}_{len(made)}"
            made.append(ToolCall(id, call.name, call.arguments))
        return tuple(made)

    @staticmethod
    def _is_next(call: _Open, id: str | None, name: str | None) -> bool:
        """Whether a fragment begins another call in the place of ``call``: parallel calls under one index."""
        if not name:
            return False
        if id and call.id:
            return id != call.id
        return not id and is_object(call.arguments)


def is_object(arguments: str) -> bool:
    """Whether raw arguments are one whole JSON object."""
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False
