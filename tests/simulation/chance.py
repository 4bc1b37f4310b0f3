"""Seeded chance: one stream a purpose, so that taking a fault out of a story leaves all other draws as they were."""

from __future__ import annotations

import hashlib
import random
from uuid import UUID

from cardcore.clock import Clock
from cardcore.ids import uuid7_from

LEAST_SALTED = 10
"""Bytes of the shortest draw that is salted: the chance in a UUIDv7."""


class Chance:
    """The streams of one run."""

    def __init__(self, seed: int) -> None:
        """Take the run's seed."""
        self._seed = seed

    def stream(self, purpose: str) -> random.Random:
        """Return the stream of a purpose; asked twice, it begins anew."""
        digest = hashlib.sha256(f"{self._seed}/{purpose}".encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))


class DrawnIds:
    """Ids and "random" bytes of one host, drawn from the seed; implements `cardcore.ids.IdSource`.

    Their last bytes are `salt`: a seed that is run twice over one database gets other ids in the same order.
    """

    def __init__(self, clock: Clock, stream: random.Random, salt: bytes = b"") -> None:
        """Take the host's clock and its own stream."""
        self._clock = clock
        self._stream = stream
        self._salt = salt

    def uuid7(self) -> UUID:
        """Return a UUIDv7."""
        return uuid7_from(self._clock.now(), self.random_bytes(10))

    def random_bytes(self, count: int) -> bytes:
        """Return that many bytes."""
        drawn = self._stream.randbytes(count)
        return drawn if count < LEAST_SALTED else drawn[: count - len(self._salt)] + self._salt
