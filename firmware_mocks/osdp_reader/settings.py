"""What a mock reader is: address, identity, abilities and key. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

from reader_daemon.protocols.osdp.codes import Capability
from reader_daemon.protocols.osdp.replies import Capabilities, CapabilityRecord, Identity

NOMINAL_BAUD = 38_400
INPUT_COUNT = 4
OUTPUT_COUNT = 2
TEXT_ROWS = 2
TEXT_COLUMNS = 16
RECEIVE_BUFFER_BYTES = 256
VENDOR = 0x0A0B0C
MODEL = 2


def default_capabilities() -> Capabilities:
    """Return the PDCAP of a reader with inputs, relays, lamp, buzzer, display, CRC and AES (OSDP 2.2 annex B)."""
    low, high = RECEIVE_BUFFER_BYTES & 0xFF, RECEIVE_BUFFER_BYTES >> 8
    rows = (
        (Capability.INPUTS, 1, INPUT_COUNT),
        (Capability.OUTPUTS, 4, OUTPUT_COUNT),
        (Capability.CARD_FORMAT, 1, 1),
        (Capability.LED, 4, 1),
        (Capability.BUZZER, 2, 1),
        (Capability.TEXT, 2, 1),
        (Capability.CHECK, 1, 0),
        (Capability.SECURITY, 1, 0),
        (Capability.RECEIVE_BUFFER, low, high),
        (Capability.COMBINED_MESSAGE, low, high),
        (Capability.READERS, 1, 1),
        (Capability.VERSION, 2, 0),
    )
    return Capabilities(tuple(CapabilityRecord(*row) for row in rows))


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """A reader as it leaves the bench.

    With a key (`scbk`, 16 bytes) it answers nothing in clear text but ID, CAP and the handshake. Without one it
    talks in clear text. In install mode it also opens a session under SCBK-D and takes a KEYSET in it, which ends
    the mode.
    """

    address: int
    scbk: bytes | None = field(default=None, repr=False)
    install_mode: bool = False
    serial: int = 0x11223344
    baud: int = NOMINAL_BAUD
    capabilities: Capabilities = field(default_factory=default_capabilities)

    @property
    def identity(self) -> Identity:
        """Return the PDID."""
        return Identity(vendor=VENDOR, model=MODEL, version=1, serial=self.serial, firmware=(1, 2, 3))

    @property
    def unique_id(self) -> bytes:
        """Return the cUID of CCRYPT, 8 bytes."""
        return VENDOR.to_bytes(3, "little") + bytes((MODEL,)) + self.serial.to_bytes(4, "little")
