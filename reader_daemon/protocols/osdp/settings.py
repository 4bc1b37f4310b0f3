"""What the panel is told about a reader, checked on construction. No file is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reader_daemon.messages import LedColour
from reader_daemon.protocols.osdp.codes import MAX_READER_ADDRESS
from reader_daemon.protocols.osdp.keys import require_strong_key
from reader_daemon.protocols.osdp.replies import Identity
from reader_daemon.protocols.osdp.timing import MAX_READERS_ON_BUS


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """One reader on a bus. Raises ValueError (WeakKeyError for keys) on values that must not be used."""

    name: str
    address: int
    """0..126."""
    scbk: bytes | None = field(repr=False)
    """The reader's own 16-byte key; None for a reader that has none yet: it is unused until install mode."""
    pending_scbk: bytes | None = field(default=None, repr=False)
    """A key that was being rolled out when the daemon stopped; tried first."""
    expected_identity: Identity | None = None
    """Vendor, model and serial of the enrolment; another reader at this address stays unused and raises an alarm."""
    resting_colour: LedColour = LedColour.RED

    def __post_init__(self) -> None:
        if not 0 <= self.address <= MAX_READER_ADDRESS:
            msg = f"reader {self.name}: address {self.address} is not 0..{MAX_READER_ADDRESS}"
            raise ValueError(msg)
        for key in (self.scbk, self.pending_scbk):
            if key is not None:
                require_strong_key(key)


def check_readers(readers: Sequence[ReaderSettings]) -> None:
    """Raise ValueError if two readers of one bus share a name, an address or a key, or there are too many."""
    if not 0 < len(readers) <= MAX_READERS_ON_BUS:
        msg = f"a bus has 1..{MAX_READERS_ON_BUS} readers, not {len(readers)}"
        raise ValueError(msg)
    keys = [key for reader in readers for key in (reader.scbk, reader.pending_scbk) if key is not None]
    for what, values in (
        ("name", [reader.name for reader in readers]),
        ("address", [reader.address for reader in readers]),
        ("key", keys),
    ):
        if len(set(values)) != len(values):
            msg = f"two readers of one bus have the same {what}"
            raise ValueError(msg)
