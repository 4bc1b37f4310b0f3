"""The daemon's only source of time, ids and randomness. Everything else gets these injected."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cardcore.clock import Clock
from cardcore.ids import IdSource, uuid7_from


class SystemClock:
    """The host's clocks; implements `cardcore.clock.Clock`."""

    def now(self) -> datetime:
        """Return wall time as aware UTC."""
        return datetime.now(UTC)

    def monotonic_ms(self) -> int:
        """Return the host's monotonic clock in milliseconds."""
        return time.monotonic_ns() // 1_000_000


class SystemIds:
    """The operating system's randomness; implements `cardcore.ids.IdSource`."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock whose milliseconds go into UUIDv7."""
        self._clock = clock

    def uuid7(self) -> UUID:
        """Return a new UUIDv7."""
        return uuid7_from(self._clock.now(), os.urandom(10))

    def random_bytes(self, count: int) -> bytes:
        """Return bytes fit for keys and nonces."""
        return os.urandom(count)


@dataclass(frozen=True, slots=True)
class System:
    """Time and ids in one hand, as most use cases need both."""

    clock: Clock
    ids: IdSource


def real_system() -> System:
    """Return the host's own."""
    clock = SystemClock()
    return System(clock, SystemIds(clock))


def monotonic_us() -> int:
    """Return the monotonic clock in microseconds: only for measuring how long a durable write takes."""
    return time.monotonic_ns() // 1_000


def resident_bytes() -> int:
    """Return the memory this process holds, 0 where the system does not tell (proc(5), statm)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
