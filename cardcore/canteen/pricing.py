"""What a charge costs: the list price by the till's mode, then the category's discount or surcharge. Pure.

The stall gets the list price. The holder pays list price - discount + surcharge - meal subsidy; discount and subsidy
are expenses of the house and the surcharge its income, each with a ledger account of its own. Percentages round half
up, once a charge (C79), so the parts always sum exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from cardcore.access.items import MealSubsidyItem, TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.canteen.selling import COUNT, ENTERED, FIXED, KEYED, MENU, PERIOD, Selling
from cardcore.journal import MAX_LINES, Line
from cardcore.money import MAX_AMOUNT_FEN, Fen, percent_of
from cardcore.reasons import Reason


class Entry(NamedTuple):
    """What the till showed before the card came: an amount, and the keys or dishes it is the sum of."""

    amount: Fen = Fen(0)
    lines: tuple[Line, ...] = ()


NO_ENTRY = Entry()


class Price(NamedTuple):
    """What the holder pays, and what of it, or beside it, is not the stall's."""

    amount: Fen
    discount: Fen = Fen(0)
    surcharge: Fen = Fen(0)
    rights: int = 0
    subsidy: Fen = Fen(0)
    """What the house pays because it is the first tap of the meal or day (C26)."""

    @property
    def list_price(self) -> Fen:
        """What the stall gets."""
        return Fen(self.amount + self.discount + self.subsidy - self.surcharge)

    def subsidised(self, by: MealSubsidyItem) -> Price:
        """Return the price of a first tap; a guest's surcharge is never subsidised."""
        base = Fen(self.amount - self.surcharge)
        part = percent_of(base, min(100, max(0, by.percent))) if by.percent else base
        subsidy = Fen(max(0, min(part, by.fen)) if by.fen or not by.percent else part)
        return self._replace(amount=Fen(self.amount - subsidy), subsidy=subsidy)


class Buyer(NamedTuple):
    """Whose price is asked for, and when."""

    category: str
    meal: str
    day: date


def price_of(entry: Entry, till: TillItem, selling: Selling, buyer: Buyer, snapshot: Snapshot) -> Price | Reason:
    """Return what a charge costs, or why it has no price."""
    mode = selling.mode
    if mode not in ENTERED and (entry.amount or entry.lines):
        return Reason.AMOUNT_UNEXPECTED
    if mode == PERIOD:
        tariff = snapshot.price(buyer.meal, till.stall, buyer.category, buyer.day)
        if tariff is None:
            return Reason.NO_PRICE
        return _rated(tariff.price, till, buyer, snapshot)
    if mode == COUNT:
        return Price(Fen(0), rights=1)
    if mode == FIXED:
        return _rated(selling.amount, till, buyer, snapshot) if selling.amount > 0 else Reason.NO_PRICE
    if mode not in ENTERED:
        return Reason.MODE_UNKNOWN
    total = _keyed(entry) if mode == KEYED else _chosen(entry, dish_prices(mode, till, buyer.meal, buyer.day, snapshot))
    return total if isinstance(total, Reason) else _rated(total, till, buyer, snapshot)


def dish_prices(mode: str, till: TillItem, meal: str, day: date, snapshot: Snapshot) -> Callable[[str], Fen | None]:
    """Return what finds the price of a key (key-value mode) or of a dish (menu mode); None = not offered."""
    if mode == MENU:
        return lambda code: snapshot.dish_price(till.stall, day, meal, code)
    prices = dict(till.key_prices)
    return prices.get


def _keyed(entry: Entry) -> Fen | Reason:
    return Reason.AMOUNT_UNEXPECTED if entry.lines else _within(entry.amount)


def _chosen(entry: Entry, find: Callable[[str], Fen | None]) -> Fen | Reason:
    """Check that what was shown is what it costs: the customer agreed to that amount and to no other."""
    if not entry.lines:
        return Reason.AMOUNT_MISSING
    if len(entry.lines) > MAX_LINES:
        return Reason.AMOUNT_TOO_HIGH
    if any(line.count <= 0 or find(line.code) != line.price for line in entry.lines):
        return Reason.PRICE_CHANGED
    return _within(entry.amount) if sum_of(entry.lines) == entry.amount else Reason.PRICE_CHANGED


def sum_of(lines: tuple[Line, ...]) -> Fen:
    """Return what some lines cost together."""
    return Fen(sum(line.count * line.price for line in lines))


def _within(amount: Fen) -> Fen | Reason:
    if amount <= 0:
        return Reason.AMOUNT_MISSING
    return Reason.AMOUNT_TOO_HIGH if amount > MAX_AMOUNT_FEN else amount


def _rated(list_price: Fen, till: TillItem, buyer: Buyer, snapshot: Snapshot) -> Price:
    rate = snapshot.rate(till.stall, buyer.category)
    if rate is None:
        return Price(list_price)
    discount = percent_of(list_price, min(100, max(0, rate.discount_percent)))
    surcharge = percent_of(list_price, max(0, rate.surcharge_percent))
    return Price(Fen(list_price - discount + surcharge), discount, surcharge)
