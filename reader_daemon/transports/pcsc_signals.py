"""Lamp and buzzer of contactless PC/SC readers: vendor commands, since PC/SC has none.

Only readers set to `acs` have any; every other reader refuses. Show and pulse exist on no such reader. Not yet proven
on hardware: the codes are those of the ACR122U API manual 2.04, 6.2.
"""

from __future__ import annotations

from enum import StrEnum

from reader_daemon.messages import Beep, Lamp, LedColour, ReaderAction

TICK_MS = 100
MOST_TICKS = 255
MOST_REPEATS = 10
_HEAD = bytes.fromhex("FF0040")
_FINAL_RED = 0x01
_CHANGE_BOTH = 0x0C
_BLINK_RED = 0x10
_BLINK_GREEN = 0x20
_BLINK_BOTH = 0xC0
_BUZZ_ON_PERIOD = 0x01

_LAMPS = {
    LedColour.BLACK: 0,
    LedColour.RED: _BLINK_RED,
    LedColour.GREEN: _BLINK_GREEN,
    LedColour.AMBER: _BLINK_RED | _BLINK_GREEN,
}


class SignalKind(StrEnum):
    """Which vendor's commands a reader understands."""

    NONE = "none"
    ACS = "acs"


def signal_command(kind: SignalKind, action: ReaderAction) -> bytes | None:
    """Return the pseudo-APDU for `action`, None when the reader cannot do it.

    The reader is busy for the length of the signal, so signals are held to 25.5 s and ten repeats.
    """
    match kind, action:
        case SignalKind.ACS, Lamp(colour=colour, shown_ms=shown_ms, blinking=blinking) if colour in _LAMPS:
            state = _FINAL_RED | _CHANGE_BOTH | _BLINK_BOTH | _LAMPS[colour]
            if not blinking:
                return _led(state, _ticks(shown_ms), 0, 1, buzzer=0)
            half = max(1, min(MOST_TICKS, shown_ms // TICK_MS // (2 * MOST_REPEATS)))
            repeats = max(1, min(MOST_REPEATS, shown_ms // (2 * half * TICK_MS)))
            return _led(state, half, half, repeats, buzzer=0)
        case SignalKind.ACS, Beep(on_ms=on_ms, off_ms=off_ms, count=count) if 1 <= count <= MOST_REPEATS:
            return _led(0, _ticks(on_ms), _ticks(off_ms), count, buzzer=_BUZZ_ON_PERIOD)
    return None


def _ticks(milliseconds: int) -> int:
    """Round up to the reader's 100 ms, so that a short signal is not lost."""
    return max(1, min(MOST_TICKS, -(-milliseconds // TICK_MS)))


def _led(state: int, first_ticks: int, second_ticks: int, repeats: int, *, buzzer: int) -> bytes:
    return _HEAD + bytes([state, 4, first_ticks, second_ticks, repeats, buzzer])
