"""The 14-byte record of the LED command (SIA OSDP 2.2 annex A, LED): a temporary and a resting lamp setting.

Pure codec. Colours are `reader_daemon.messages.LedColour` values: 0 black, 1 red, 2 green, 3 amber, 4 blue.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LED_RECORD_BYTES = 14


@dataclass(frozen=True, slots=True)
class LedTemporary:
    """Temporary lamp: control 0 none, 1 cancel, 2 set; times in 100 ms; then back to the permanent setting."""

    control: int = 0
    on_100ms: int = 0
    off_100ms: int = 0
    on_colour: int = 0
    off_colour: int = 0
    timer_100ms: int = 0


@dataclass(frozen=True, slots=True)
class LedPermanent:
    """Resting lamp: control 0 none, 1 set; times in 100 ms."""

    control: int = 0
    on_100ms: int = 0
    off_100ms: int = 0
    on_colour: int = 0
    off_colour: int = 0


@dataclass(frozen=True, slots=True)
class LedRecord:
    """One lamp of one reader."""

    reader: int
    led: int
    temporary: LedTemporary = field(default_factory=LedTemporary)
    permanent: LedPermanent = field(default_factory=LedPermanent)


def led_bytes(record: LedRecord) -> bytes:
    """Return the 14 bytes of one LED record. Raises OverflowError/ValueError if a field is out of range."""
    temporary, permanent = record.temporary, record.permanent
    return (
        bytes((record.reader, record.led, temporary.control, temporary.on_100ms, temporary.off_100ms))
        + bytes((temporary.on_colour, temporary.off_colour))
        + temporary.timer_100ms.to_bytes(2, "little")
        + bytes((permanent.control, permanent.on_100ms, permanent.off_100ms))
        + bytes((permanent.on_colour, permanent.off_colour))
    )


def led_record(data: bytes) -> LedRecord:
    """Read one LED record of exactly 14 bytes."""
    return LedRecord(
        reader=data[0],
        led=data[1],
        temporary=LedTemporary(data[2], data[3], data[4], data[5], data[6], int.from_bytes(data[7:9], "little")),
        permanent=LedPermanent(*data[9:14]),
    )
