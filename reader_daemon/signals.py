"""What a person at the reader sees and hears for each answer: lamp, tone and text, never colour alone.

Texts come from `cardcore.texts`: ASCII, 16 characters, as the smallest OSDP display has them. It decides nothing.
"""

from __future__ import annotations

from cardcore.money import Fen, yuan_text
from cardcore.reasons import Reason
from cardcore.texts import DISPLAY_WIDTH, REASON_TEXTS
from reader_daemon.messages import Beep, Lamp, LedColour, ReaderAction, Show

LAMP_MS = 1_500
GRANTED_TONE_MS = 100
REFUSED_TONE_MS = 200
REFUSED_TONES = 3
SHOWN_SECONDS = 3
KEY_TONE_MS = 100
KEYED_SECONDS = 60
"""What was keyed is shown as long as it holds."""
SIGNAL_LIFE_MS = 2_000
"""A lamp or text later than this would answer the wrong person."""
IDENTIFY_LAMP_MS = 10_000


def known_reason(reason: str) -> Reason:
    """Return the reason, or SERVER_FAULT's text for a word that only a newer server knows."""
    try:
        return Reason(reason)
    except ValueError:
        return Reason.SERVER_FAULT


def answer_signals(reason: str, *, granted: bool, second_row: str = "") -> tuple[ReaderAction, ...]:
    """Return the actions that tell an answer at a lane or till; `second_row` is cut to the display's width."""
    text = REASON_TEXTS[known_reason(reason) if not granted or known_reason(reason).grants else Reason.GRANTED].display
    if granted:
        lamp, tone = Lamp(LedColour.GREEN, LAMP_MS), Beep(GRANTED_TONE_MS)
    else:
        lamp = Lamp(LedColour.RED, LAMP_MS, blinking=True)
        tone = Beep(REFUSED_TONE_MS, GRANTED_TONE_MS, REFUSED_TONES)
    rows = (text, second_row) if second_row else (text,)
    return (lamp, tone, *(Show(row[:DISPLAY_WIDTH], at, SHOWN_SECONDS) for at, row in enumerate(rows, 1)))


def meal_signals(amount: Fen, balance: Fen | None, reason: Reason, rights: int = 0) -> tuple[ReaderAction, ...]:
    """Return the actions for a charged meal: amount and balance come first, for a display of one row.

    `balance` None = not known here; `reason` is CHARGED, or REPEAT_TAP for the previous result shown again. With
    `rights` the meal was taken from a count purse and the balance is in meals.
    """
    if rights:
        first = f"MEALS LEFT {balance}" if balance is not None else "MEAL OFFLINE"
    else:
        first = (
            f"{yuan_text(amount)} BAL {yuan_text(balance)}" if balance is not None else f"{yuan_text(amount)} OFFLINE"
        )
    rows = (first, REASON_TEXTS[reason].display)
    shows = (Show(row[:DISPLAY_WIDTH], at, SHOWN_SECONDS) for at, row in enumerate(rows, 1))
    return (Lamp(LedColour.GREEN, LAMP_MS), Beep(GRANTED_TONE_MS), *shows)


def keypad_signals(rows: tuple[str, ...]) -> tuple[ReaderAction, ...]:
    """Return what shows what a cashier keyed: one short tone, no lamp, and the rows as long as they hold."""
    shows = (Show(row[:DISPLAY_WIDTH], at, KEYED_SECONDS) for at, row in enumerate((*rows, "")[:2], 1))
    return (Beep(KEY_TONE_MS), *shows)


def undone_signals(amount: Fen) -> tuple[ReaderAction, ...]:
    """Return the actions for a charge that was taken back: amber, for nothing was sold."""
    rows = (f"BACK {yuan_text(amount)}", REASON_TEXTS[Reason.UNDONE].display)
    shows = (Show(row[:DISPLAY_WIDTH], at, SHOWN_SECONDS) for at, row in enumerate(rows, 1))
    return (Lamp(LedColour.AMBER, LAMP_MS), Beep(GRANTED_TONE_MS, count=2), *shows)


def balance_row(balance: Fen) -> str:
    """Return the second row of a refusal whose balance is known."""
    return f"BAL {yuan_text(balance)}"


def identify_signals() -> tuple[ReaderAction, ...]:
    """Return the actions by which an installer finds a reader."""
    return (
        Lamp(LedColour.AMBER, IDENTIFY_LAMP_MS, blinking=True),
        Beep(GRANTED_TONE_MS, GRANTED_TONE_MS, REFUSED_TONES),
    )


def encoder_signals(*, well: bool) -> tuple[ReaderAction, ...]:
    """Return the actions that tell whether a card was made, or known: lamp and tone, an encoder has no display."""
    if well:
        return (Lamp(LedColour.GREEN, LAMP_MS), Beep(GRANTED_TONE_MS))
    return (Lamp(LedColour.RED, LAMP_MS, blinking=True), Beep(REFUSED_TONE_MS, GRANTED_TONE_MS, REFUSED_TONES))
