"""What a person sees and hears of a reader: lamp, buzzer, display (OSDP 2.2, osdp_LED, osdp_BUZ, osdp_TEXT).

State to inspect, with a bounded record of the texts; it drives nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from firmware_mocks.osdp_reader.settings import TEXT_COLUMNS, TEXT_ROWS
from reader_daemon.protocols.osdp.codes import BuzzerTone, TextMode
from reader_daemon.protocols.osdp.commands import SetBuzzer, ShowText
from reader_daemon.protocols.osdp.lamps import LedRecord

COLOURS = ("black", "red", "green", "amber", "blue", "magenta", "cyan", "white")
UNIT_MS = 100
MILLISECONDS_PER_SECOND = 1_000
MAX_RECORDED_TEXTS = 1_000
_TEMPORARY_CANCEL = 1
_TEMPORARY_SET = 2
_PERMANENT_SET = 1


class Light(NamedTuple):
    """What a lamp shows."""

    colour: str
    blinking: bool


DARK = Light("black", blinking=False)


class Text(NamedTuple):
    """One text as it was shown. `for_ms` 0 = permanent."""

    at_ms: int
    text: str
    row: int
    column: int
    for_ms: int


@dataclass(slots=True)
class _Temporary:
    light: Light
    until_ms: int


class Lamp:
    """One lamp with a resting and a temporary setting."""

    def __init__(self) -> None:
        """Begin dark."""
        self._resting = DARK
        self._temporary: _Temporary | None = None

    def apply(self, record: LedRecord, now_ms: int) -> int:
        """Execute one LED record; returns for how long its light shows, 0 = until changed."""
        temporary, permanent = record.temporary, record.permanent
        if permanent.control == _PERMANENT_SET:
            self._resting = _light(permanent.on_100ms, permanent.off_100ms, permanent.on_colour, permanent.off_colour)
        if temporary.control == _TEMPORARY_CANCEL:
            self._temporary = None
        if temporary.control == _TEMPORARY_SET:
            light = _light(temporary.on_100ms, temporary.off_100ms, temporary.on_colour, temporary.off_colour)
            self._temporary = _Temporary(light, now_ms + temporary.timer_100ms * UNIT_MS)
            return temporary.timer_100ms * UNIT_MS
        return 0

    def light(self, now_ms: int) -> Light:
        """Return what the lamp shows."""
        if self._temporary is not None and now_ms < self._temporary.until_ms:
            return self._temporary.light
        return self._resting


def _light(on_100ms: int, off_100ms: int, on_colour: int, off_colour: int) -> Light:
    colour = on_colour if on_100ms else off_colour
    name = COLOURS[colour] if colour < len(COLOURS) else f"colour-{colour}"
    return Light(name, blinking=bool(on_100ms and off_100ms))


class Buzzer:
    """A buzzer; counts what it was told."""

    def __init__(self) -> None:
        """Begin silent."""
        self.tones = 0
        self.sounds_for_ever = False

    def apply(self, command: SetBuzzer) -> None:
        """Execute BUZ. Count 0 sounds until told off, which no careful panel sends."""
        if command.tone == BuzzerTone.DEFAULT:
            self.tones += command.count
            self.sounds_for_ever = command.count == 0
        else:
            self.sounds_for_ever = False


class Display:
    """A text display of a few rows; keeps the last 1,000 texts with their time."""

    def __init__(self) -> None:
        """Begin blank."""
        self.record: deque[Text] = deque(maxlen=MAX_RECORDED_TEXTS)
        self._resting: dict[int, Text] = {}
        self._temporary: dict[int, Text] = {}

    def apply(self, command: ShowText, now_ms: int) -> Text:
        """Execute TEXT; returns what was shown. Row and column must be on the display (`fits`)."""
        temporary = command.mode in {TextMode.TEMPORARY, TextMode.TEMPORARY_WRAPPED}
        for_ms = command.temporary_seconds * MILLISECONDS_PER_SECOND if temporary else 0
        text = Text(now_ms, command.text, command.row, command.column, for_ms)
        (self._temporary if temporary else self._resting)[command.row] = text
        self.record.append(text)
        return text

    def blank(self) -> None:
        """Clear all rows; the record stays."""
        self._resting.clear()
        self._temporary.clear()

    def fits(self, command: ShowText) -> bool:
        """Say whether the command names a mode, row and column that exist."""
        known = TextMode.PERMANENT <= command.mode <= TextMode.TEMPORARY_WRAPPED
        return known and 1 <= command.row <= TEXT_ROWS and 1 <= command.column <= TEXT_COLUMNS

    def rows(self, now_ms: int) -> list[str]:
        """Return what stands in each row."""
        shown = []
        for row in range(1, TEXT_ROWS + 1):
            text = self._temporary.get(row)
            if text is None or now_ms >= text.at_ms + text.for_ms:
                text = self._resting.get(row)
            shown.append(text.text if text is not None else "")
        return shown
