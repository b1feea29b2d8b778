"""How the detail of an entry is read and written: tolerant of what older and newer programs wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol, TypeVar

Detail = Mapping[str, object]
"""JSON values by name."""
T = TypeVar("T")


class Recorded(Protocol):
    """An entry, an operation, or an act about to be one."""

    @property
    def detail(self) -> Detail: ...


class Record:
    """A dataclass whose fields are keys of the detail under the same names; what is as by default is left out."""

    __slots__ = ()

    def detail(self) -> dict[str, object]:
        """The record as JSON values."""
        given = ((field, getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]
        return {field.name: value for field, value in given if value != field.default}


def of_type(kind: type[T], value: object) -> T | None:
    """A JSON value of exactly this type, else None."""
    return value if type(value) is kind else None


def some(detail: Detail, key: str) -> str | None:
    """A text, None where there is none."""
    return of_type(str, detail.get(key))


def text(detail: Detail, key: str) -> str:
    """A text, empty where there is none."""
    return of_type(str, detail.get(key)) or ""


def flag(detail: Detail, key: str) -> bool:
    """Whether it is true."""
    return detail.get(key) is True


def number(detail: Detail, key: str) -> int | None:
    """A whole number, None where there is none."""
    return of_type(int, detail.get(key))


def items(detail: Detail, key: str) -> list[object] | tuple[object, ...]:
    """A list, empty where there is none."""
    found = detail.get(key)
    return found if isinstance(found, list | tuple) else ()


def numbers(detail: Detail, key: str) -> tuple[int, ...]:
    """The whole numbers in a list."""
    return tuple(item for item in items(detail, key) if type(item) is int)


def texts(detail: Detail, key: str) -> tuple[str, ...]:
    """The texts in a list."""
    return tuple(item for item in items(detail, key) if isinstance(item, str))
