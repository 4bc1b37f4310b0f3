"""Reading the fields of one control request: typed, bounded, and none left over.

Errors are for the person or program that sent the request: they name the field and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

MAX_TEXT_CHARACTERS = 2_048
_ENVELOPE = frozenset({"id", "do"})


class FieldError(ValueError):
    """A field is missing, unknown or out of range."""


class Fields:
    """The fields of a request, each of which must be asked for before `finish`."""

    def __init__(self, request: Mapping[str, object]) -> None:
        """Take the parsed request."""
        self._request = request
        self._read: set[str] = set(_ENVELOPE)

    def has(self, name: str) -> bool:
        """Say whether the field was sent (null counts)."""
        return name in self._request

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text of 1..2,048 characters."""
        value = self._take(name, default)
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT_CHARACTERS:
            return value
        return self._refuse(name, f"a text of 1..{MAX_TEXT_CHARACTERS} characters")

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number low..high."""
        value = self._take(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        return self._refuse(name, f"a whole number {low}..{high}")

    def whole_or_none(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number low..high, or None for null. The field must be there."""
        if name in self._request and self._request[name] is None:
            self._read.add(name)
            return None
        return self.whole(name, low, high)

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a number low..high."""
        value = self._take(name, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        return self._refuse(name, f"a number {low}..{high}")

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._take(name, default)
        if isinstance(value, bool):
            return value
        return self._refuse(name, "true or false")

    def hex_bytes(self, name: str) -> bytes:
        """Return bytes written as hex digits."""
        value = self._take(name, None)
        if isinstance(value, str) and re.fullmatch(r"(?:[0-9a-fA-F]{2}){1,128}", value):
            return bytes.fromhex(value)
        return self._refuse(name, "1..128 bytes in hex")

    def names(self, name: str, allowed: frozenset[str]) -> frozenset[str]:
        """Return a list of names, every allowed one if the field is missing."""
        value = self._take(name, sorted(allowed))
        if isinstance(value, list) and all(isinstance(each, str) and each in allowed for each in value):
            return frozenset(value)
        return self._refuse(name, f"a list of {', '.join(sorted(allowed))}")

    def finish(self) -> None:
        """Refuse fields nobody asked for."""
        unknown = sorted(str(name) for name in self._request.keys() - self._read)
        if unknown:
            msg = f"unknown: {', '.join(unknown)}; allowed here: {', '.join(sorted(self._read))}"
            raise FieldError(msg)

    def _take(self, name: str, default: object) -> object:
        self._read.add(name)
        return self._request.get(name, default)

    def _refuse(self, name: str, allowed: str) -> NoReturn:
        problem = "is missing" if name not in self._request else f"is {self._request[name]!r:.60}"
        msg = f"{name} {problem}; it must be {allowed}"
        raise FieldError(msg)
