"""The keypad of a till: what keys come to, in each mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.canteen.pricing import NO_ENTRY, Entry, sum_of
from cardcore.canteen.selling import KEY_VALUE, KEYED, MENU, PERIOD
from cardcore.journal import MAX_LINE_COUNT, MAX_LINES, Line
from cardcore.money import MAX_AMOUNT_FEN, Fen
from cardcore.texts import DISPLAY_WIDTH
from reader_daemon.keypad import Pad, PadRules, press, shown

PRICES = {"1": Fen(200), "2": Fen(550), "12": Fen(850)}


def rules(mode: str, *, wants_pin: bool = False, undoes: bool = True) -> PadRules:
    return PadRules(mode, PRICES.get, undo_code="7", undoes=undoes, wants_pin=wants_pin)


@pytest.mark.parametrize(
    ("keys", "fen", "display"),
    [
        ("12*5#", 1250, "PAY 12.50"),
        ("8#", 800, "PAY 8.00"),
        ("*", 0, "*"),
        ("0*05#", 5, "PAY 0.05"),
        ("12*5", 0, "12.5"),
        ("8#9#", 900, "PAY 9.00"),
        ("8#**", 0, "CLEARED"),
        ("12*555#", 0, "NOT AN AMOUNT"),
        ("1*2*3#", 0, "NOT AN AMOUNT"),
        ("0#", 0, "NOT AN AMOUNT"),
        ("9999999#", 0, "NOT AN AMOUNT"),
    ],
)
def test_digits_are_yuan_and_a_star_is_the_point(keys: str, fen: int, display: str) -> None:
    pad = press(Pad(), keys, rules(KEYED))
    assert (pad.entry.amount, shown(pad, rules(KEYED))[0]) == (fen, display)


def test_a_key_adds_its_price() -> None:
    pad = press(Pad(), "112", rules(KEY_VALUE))
    assert pad.entry == Entry(Fen(950), (Line("1", 2, 200), Line("2", 1, 550)))
    assert shown(press(pad, "9", rules(KEY_VALUE)), rules(KEY_VALUE)) == ("NO SUCH KEY",)


def test_a_dish_is_keyed_by_its_number_and_may_be_taken_more_than_once() -> None:
    pad = press(Pad(), "12*3#2#12#", rules(MENU))
    assert pad.entry.lines == (Line("12", 4, 850), Line("2", 1, 550))
    for wrong in ("13#", "12*0#", "12*999#", "1234567#", "1*2*3#"):
        assert shown(press(pad, wrong, rules(MENU)), rules(MENU)) == ("NO SUCH DISH",)
        assert press(pad, wrong, rules(MENU)).entry == pad.entry


def test_undo_needs_the_tills_own_code() -> None:
    for mode in (PERIOD, KEYED, KEY_VALUE, MENU):
        assert press(Pad(), "*7#", rules(mode)).undoing
        assert not press(Pad(), "*0#", rules(mode)).undoing
        assert not press(Pad(), "*7#", rules(mode, undoes=False)).undoing
        assert not press(Pad(), "*7#**", rules(mode)).undoing


def test_a_pin_is_kept_beside_what_was_chosen_and_never_shown() -> None:
    chosen = press(Pad(), "12*5#", rules(KEYED))
    asked = rules(KEYED, wants_pin=True)
    pad = press(chosen, "2580", asked)
    assert shown(pad, asked) == ("PIN ****", "THEN #")
    entered = press(pad, "#", asked)
    assert (entered.pin, entered.entry) == ("2580", chosen.entry)
    assert press(chosen, "25#", asked).note == "PIN TOO SHORT"
    assert press(pad, "**", asked) == Pad()


def test_no_amount_is_keyed_where_the_price_is_set() -> None:
    pad = press(Pad(), "5", rules(PERIOD))
    assert (pad.entry, shown(pad, rules(PERIOD))) == (NO_ENTRY, ("NO AMOUNT HERE",))


@given(st.text("0123456789*#x", max_size=60), st.sampled_from([PERIOD, KEYED, KEY_VALUE, MENU, "new"]), st.booleans())
def test_no_keys_break_a_till(keys: str, mode: str, wants_pin: bool) -> None:
    pad, here = Pad(), rules(mode, wants_pin=wants_pin)
    for key in keys:
        pad = press(pad, key, here)
        assert all(len(row) <= DISPLAY_WIDTH for row in shown(pad, here))
        assert 0 <= pad.entry.amount <= MAX_AMOUNT_FEN
        assert len(pad.entry.lines) <= MAX_LINES
        assert all(0 < line.count <= MAX_LINE_COUNT for line in pad.entry.lines)
        if pad.entry.lines:
            assert sum_of(pad.entry.lines) == pad.entry.amount
