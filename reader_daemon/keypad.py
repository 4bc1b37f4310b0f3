"""What a cashier keys at a till: digits become an amount, chosen dishes, a PIN or an order to undo. Pure, no I/O.

On the 12 keys of an OSDP keypad:

| where | keys | meaning |
|---|---|---|
| keyed amount | `12*5#` | 12.50 yuan: `*` is the point, `#` enters; a new amount replaces the entered one |
| key value | `1`, `1`, `2` | one of key 1's price, one more, one of key 2's; no `#` is needed |
| menu | `12#`, `12*3#` | dish 12 once, dish 12 three times |
| anywhere | `**` | clears what was typed and entered |
| with nothing typed | `*0#` | takes the last charge back, once its card is shown (`0` is the till's own code) |
| when a PIN is asked for | `123456#` | the PIN; then the card is shown again |

Nothing is charged by keys: the display shows what was entered, and the card confirms it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cardcore.canteen.pricing import NO_ENTRY, Entry, sum_of
from cardcore.canteen.selling import KEY_VALUE, KEYED, MENU
from cardcore.journal import MAX_CODE_CHARACTERS, MAX_LINE_COUNT, MAX_LINES, Line
from cardcore.money import MAX_AMOUNT_FEN, Fen, parse_yuan, yuan_text

MAX_TYPED = 12
"""Keys of one number, PIN or code; further ones are ignored."""
FEWEST_PIN_DIGITS = 4

PriceOf = Callable[[str], Fen | None]


@dataclass(frozen=True, slots=True)
class PadRules:
    """What keys mean at a till at this moment."""

    mode: str
    price_of: PriceOf
    undo_code: str = "0"
    undoes: bool = True
    wants_pin: bool = False


@dataclass(frozen=True, slots=True)
class Pad:
    """What was keyed so far."""

    typed: str = ""
    entry: Entry = NO_ENTRY
    undoing: bool = False
    """The last charge is to be taken back by the next card."""
    pin: str = ""
    note: str = ""
    """What was wrong with the last key, for the display."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a card."""
        return not (self.typed or self.entry.amount or self.undoing or self.pin)


def press(pad: Pad, keys: str, rules: PadRules) -> Pad:
    """Return the pad after some keys; keys that are none are ignored."""
    for key in keys:
        pad = _press(replace(pad, note=""), key, rules)
    return pad


def shown(pad: Pad, rules: PadRules) -> tuple[str, ...]:
    """Return the rows that the display shows, at most 16 characters each."""
    if pad.note:
        return (pad.note,)
    if rules.wants_pin:
        return ("PIN " + "*" * len(pad.typed or pad.pin), "THEN THE CARD" if pad.pin else "THEN #")
    if pad.undoing:
        return ("UNDO LAST CHARGE", "SHOW ITS CARD")
    if pad.typed:
        return (pad.typed.replace("*", ".") if rules.mode == KEYED and pad.typed[0] != "*" else pad.typed,)
    if pad.entry.amount:
        return (f"PAY {yuan_text(pad.entry.amount)}", "SHOW CARD")
    return ("CLEARED",)


def _press(pad: Pad, key: str, rules: PadRules) -> Pad:
    if key == "*" and pad.typed.endswith("*"):
        return Pad()
    if key not in "0123456789*#" or (len(pad.typed) >= MAX_TYPED and key != "#"):
        return pad
    if rules.wants_pin:
        return _pin_key(pad, key)
    if pad.typed.startswith("*"):
        return _function_key(pad, key, rules)
    if key == "*" and not pad.typed:
        return replace(pad, typed="*", undoing=False)
    if key == "#":
        return _enter(pad, rules)
    if rules.mode == KEY_VALUE:
        return _add(pad, key, 1, rules)
    if rules.mode not in {KEYED, MENU}:
        return replace(pad, note="NO AMOUNT HERE")
    return replace(pad, typed=pad.typed + key, undoing=False)


def _pin_key(pad: Pad, key: str) -> Pad:
    if key == "#":
        enough = len(pad.typed) >= FEWEST_PIN_DIGITS
        return replace(pad, typed="", pin=pad.typed) if enough else replace(pad, typed="", note="PIN TOO SHORT")
    return replace(pad, typed=pad.typed + key) if key != "*" else replace(pad, typed="*")


def _function_key(pad: Pad, key: str, rules: PadRules) -> Pad:
    if key != "#":
        return replace(pad, typed=pad.typed + key)
    if rules.undoes and pad.typed[1:] == rules.undo_code:
        return Pad(undoing=True)
    return replace(pad, typed="", note="UNKNOWN CODE")


def _enter(pad: Pad, rules: PadRules) -> Pad:
    typed = pad.typed
    if not typed:
        return pad
    if rules.mode == KEYED:
        return _amount(pad, typed.replace("*", "."))
    code, _, count = typed.partition("*")
    many = int(count) if count.isdecimal() and count else 1
    if "*" in count or not code or len(code) > MAX_CODE_CHARACTERS:
        return replace(pad, typed="", note="NO SUCH DISH")
    return _add(replace(pad, typed=""), code, many, rules)


def _amount(pad: Pad, text: str) -> Pad:
    try:
        amount = parse_yuan(text.rstrip("."))
    except ValueError:
        return replace(pad, typed="", note="NOT AN AMOUNT")
    if amount == 0:
        return replace(pad, typed="", note="NOT AN AMOUNT")
    return replace(pad, typed="", entry=Entry(amount))


def _add(pad: Pad, code: str, count: int, rules: PadRules) -> Pad:
    price = rules.price_of(code)
    if price is None or not 0 < count <= MAX_LINE_COUNT:
        return replace(pad, note="NO SUCH KEY" if rules.mode == KEY_VALUE else "NO SUCH DISH")
    lines = _merged(pad.entry.lines, Line(code, count, price))
    total = sum_of(lines)
    if len(lines) > MAX_LINES or total > MAX_AMOUNT_FEN or max(line.count for line in lines) > MAX_LINE_COUNT:
        return replace(pad, note="TOO MUCH")
    return replace(pad, entry=Entry(total, lines), undoing=False)


def _merged(lines: tuple[Line, ...], more: Line) -> tuple[Line, ...]:
    """Add a line, to the line of the same thing where there is one."""
    for place, line in enumerate(lines):
        if (line.code, line.price) == (more.code, more.price):
            return (*lines[:place], Line(line.code, line.count + more.count, line.price), *lines[place + 1 :])
    return (*lines, more)
