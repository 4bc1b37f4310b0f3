"""The mocks' only door to the host's clock and randomness; engines are given what they need from here.

Nothing else in `firmware_mocks` may read a clock or draw random bytes by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]
"""Draws that many random bytes; a test gives a seeded one."""

MILLISECONDS_PER_SECOND = 1000
_NANOSECONDS_PER_MILLISECOND = 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds of the host's monotonic clock (shared by all processes of one host on Linux)."""
    return time.monotonic_ns() // _NANOSECONDS_PER_MILLISECOND


def random_bytes(count: int) -> bytes:
    """Return `count` bytes of the operating system's randomness."""
    return os.urandom(count)
