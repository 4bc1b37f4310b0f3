"""How long to wait before the next try: exponential, jittered over the whole span, capped (P12)."""

from __future__ import annotations

from cardcore.ids import IdSource

FIRST_MS = 250
CAP_MS = 30_000
LARGEST_SHIFT = 16
LONGEST_ADVICE_MS = 600_000
"""A server's "come back after" is believed up to here."""


class Backoff:
    """Counts failed tries. A session that opened resets it."""

    def __init__(self, ids: IdSource) -> None:
        """Take the source of the jitter."""
        self._ids = ids
        self._failures = 0

    def reset(self) -> None:
        """Forget the failures: a session was opened."""
        self._failures = 0

    def next_ms(self, advised_ms: int = 0) -> int:
        """Return the wait before the next try; never less than the server advised, plus jitter on top."""
        span_ms = min(CAP_MS, FIRST_MS << min(self._failures, LARGEST_SHIFT))
        self._failures += 1
        jitter_ms = int.from_bytes(self._ids.random_bytes(4), "big") * span_ms >> 32
        return min(advised_ms, LONGEST_ADVICE_MS) + span_ms // 2 + jitter_ms // 2
