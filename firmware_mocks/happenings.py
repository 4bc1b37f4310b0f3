"""What a mock did, told to whoever watches: the plant's subscribers, a test.

A happening is a record for people and tests. No mock may act on one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Detail = str | int | float | bool | None
"""What JSON can say without nesting."""


class Kind(StrEnum):
    """The kinds of happenings; the values are what subscribers read."""

    ONLINE = "online"
    """A conversation began or ended: `online`, `secure`."""
    TAP = "tap"
    KEYS = "keys"
    SCAN = "scan"
    DELIVERED = "delivered"
    """A queued card read or key press was handed to the panel for the first time."""
    TEXT = "text"
    LAMP = "lamp"
    BEEP = "beep"
    OUTPUT = "output"
    PULSE = "pulse"
    """A turnstile saw its unlock input close."""
    ARM = "arm"
    """The arm was freed or locked: `open`."""
    PASSAGE = "passage"
    INPUT = "input"
    POWER = "power"
    KEYSET = "keyset"
    LINE = "line"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing a device did. `at_ms` is the host's monotonic clock."""

    kind: Kind
    device: str
    at_ms: int
    detail: Mapping[str, Detail] = field(default_factory=dict)


Observer = Callable[[Happening], None]
"""Called at once, in the device's own thread. It must not call back into the device."""


def ignore(_: Happening) -> None:
    """Observe nothing."""
