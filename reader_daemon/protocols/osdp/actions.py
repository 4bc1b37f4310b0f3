"""What a use case asks of a reader, as an OSDP command: limits checked, units turned into 100 ms steps.

An action that must not be sent (a beep for ever, a pulse of no length) gives None: the panel refuses it.
"""

from __future__ import annotations

from reader_daemon.messages import Beep, Lamp, LedColour, Pulse, ReaderAction, Show
from reader_daemon.protocols.osdp.codes import BuzzerTone, OutputControl, TextMode
from reader_daemon.protocols.osdp.commands import (
    MAX_TEXT_CHARACTERS,
    Command,
    OutputRecord,
    SetBuzzer,
    SetLeds,
    SetOutputs,
    ShowText,
)
from reader_daemon.protocols.osdp.lamps import LedPermanent, LedRecord, LedTemporary

STEP_MS = 100
MAX_PULSE_MS = 60_000
MAX_LAMP_MS = 60_000
MAX_TONE_MS = 25_500
MAX_BEEPS = 10
MAX_SHOWN_SECONDS = 255
MAX_OUTPUT = 31
MAX_ROW = 8
_DISPLAY_COLUMNS = 16
_BLINK_100MS = 2
_SET = 1
_SET_TEMPORARY = 2


def _steps(duration_ms: int) -> int:
    return -(-duration_ms // STEP_MS)


def command_for(action: ReaderAction, resting: LedColour) -> Command | None:
    """Return the command for an action, or None if a limit forbids it. `resting` is the lamp's colour at rest."""
    match action:
        case Pulse(output, pulse_ms) if 0 <= output <= MAX_OUTPUT and 0 < pulse_ms <= MAX_PULSE_MS:
            return SetOutputs((OutputRecord(output, OutputControl.ON_FOR_TIME, _steps(pulse_ms)),))
        case Lamp(colour, shown_ms, blinking) if 0 < shown_ms <= MAX_LAMP_MS:
            off_100ms = _BLINK_100MS if blinking else 0
            temporary = LedTemporary(
                _SET_TEMPORARY, _BLINK_100MS, off_100ms, colour.value, LedColour.BLACK.value, _steps(shown_ms)
            )
            return SetLeds((LedRecord(0, 0, temporary, _resting(resting)),))
        case Beep(on_ms, off_ms, count) if 1 <= count <= MAX_BEEPS:
            if not (0 < on_ms <= MAX_TONE_MS and 0 <= off_ms <= MAX_TONE_MS):
                return None
            return SetBuzzer(0, BuzzerTone.DEFAULT, _steps(on_ms), _steps(off_ms), count)
        case Show(text, row, shown_seconds) if 1 <= row <= MAX_ROW and 0 <= shown_seconds <= MAX_SHOWN_SECONDS:
            return _text(text, row, shown_seconds)
        case _:
            return None


def resting_lamp(resting: LedColour) -> Command:
    """Return the command that sets the lamp's colour at rest, steady."""
    return SetLeds((LedRecord(0, 0, LedTemporary(), _resting(resting)),))


def _resting(colour: LedColour) -> LedPermanent:
    return LedPermanent(_SET, 1, 0, colour.value, LedColour.BLACK.value)


def _text(text: str, row: int, shown_seconds: int) -> Command:
    printable = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[:MAX_TEXT_CHARACTERS]
    wrapped = len(printable) > _DISPLAY_COLUMNS
    if shown_seconds:
        mode = TextMode.TEMPORARY_WRAPPED if wrapped else TextMode.TEMPORARY
    else:
        mode = TextMode.PERMANENT_WRAPPED if wrapped else TextMode.PERMANENT
    return ShowText(0, mode, shown_seconds, row, 1, printable)
