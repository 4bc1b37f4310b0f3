"""`authorise`: whether a meal may be charged and how much. Pure, and the same on server and daemon.

Online the account's purses are known and the floor holds (I5). Offline no balance is known: the caps of the till
bound what can be lost, and an approved offline meal always posts (P17).

One reason a refusal, the nearest failure first: the list, the till, the card, its product, opening hours, the meal, who
may eat, what was keyed and its price; then what only the server knows: account, presence, order, limits, purses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from msgspec import Struct

from cardcore.access.decide import card_reason
from cardcore.access.items import AccountState, CardItem, LimitItem, MealItem, MealSubsidyItem, Product, TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import is_open
from cardcore.canteen.limits import Eaten, Pin, Taken, limit_reached, taken_over
from cardcore.canteen.offline import OfflineSpell, cap_reached
from cardcore.canteen.pricing import NO_ENTRY, Buyer, Entry, Price, price_of
from cardcore.canteen.selling import (
    DAY,
    DEPARTMENT,
    IN_TODAY,
    MEAL,
    NO_MEAL,
    NOT_IN_TODAY,
    PAYERS,
    PRESENCES,
    TAP,
    Selling,
    selling_at,
)
from cardcore.clock import SiteTime, site_time
from cardcore.ids import CredentialKey, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason

CANTEEN_PRODUCTS = frozenset({Product.COMBINED, Product.CANTEEN_ONLY})

SPEND_ORDER = ("subsidy", "cash")
"""Purses in the order in which a charge uses them (C23)."""
COUNT_PURSE = "count"
DEPARTMENT_LEG = "department"
"""The leg of a charge that a department pays."""


class MealTap(Struct, frozen=True):
    """A credential shown at a till, and what the till showed before it."""

    credential: CredentialKey
    till: TillId
    entry: Entry = NO_ENTRY


class PurseBalance(Struct, frozen=True):
    """What a purse holds and how low it may go; the count purse holds meals instead of fen."""

    kind: str
    balance: Fen
    floor: Fen = Fen(0)


class AccountView(Struct, frozen=True):
    """The account as locked in the deciding transaction, and what else only the server knows of its holder."""

    state: AccountState
    purses: tuple[PurseBalance, ...]
    meals_taken: Taken = {}
    """Meals already taken, by (business day, meal)."""
    fen_taken: Taken = {}
    entered: bool = False
    """Whether the holder passed into the till's zone on this business day; only asked where the till has a rule."""
    ordered: Taken = {}
    """Meals ordered at this stall and not collected yet, by (business day, meal)."""
    pin: Pin = Pin.NONE


class Leg(Struct, frozen=True):
    """A part of a charge taken from one purse, or from the department that pays."""

    purse: str
    amount: Fen


class Authorisation(Struct, frozen=True):
    """Whether, why, how much, for which meal, and from which purses (online only)."""

    approved: bool
    reason: Reason
    policy_version: int
    amount: Fen = Fen(0)
    meal: str = ""
    business_day: date | None = None
    legs: tuple[Leg, ...] = ()
    card: CardItem | None = None
    discount: Fen = Fen(0)
    surcharge: Fen = Fen(0)
    rights: int = 0
    credit: str = ""
    """The department that pays instead of the holder."""
    subsidy: Fen = Fen(0)
    """What the house pays of a first tap."""


class _Sale(NamedTuple):
    """A charge that has its price: what every later rule looks at."""

    card: CardItem
    till: TillItem
    selling: Selling
    meal: str
    day: date
    meal_limit: int
    price: Price
    limits: tuple[LimitItem, ...]
    subsidy: MealSubsidyItem | None = None
    """What the house pays if this is the first tap of its meal or day."""

    @property
    def credit(self) -> str:
        return self.card.credit if self.selling.payer == DEPARTMENT else ""


def authorise(
    tap: MealTap, snapshot: Snapshot, denied: Mapping[str, Reason], account: AccountView | None, at: datetime
) -> Authorisation:
    """Decide a meal with the account in hand; `account` is None when the card has none. `at` is aware UTC."""
    sale = _sale(tap, snapshot, denied, at)
    if isinstance(sale, Reason):
        return _without_price(sale, tap, snapshot)
    if account is None or account.state is AccountState.CLOSED:
        return _verdict(sale, snapshot, Reason.ACCOUNT_CLOSED)
    if account.state is AccountState.FROZEN:
        return _verdict(sale, snapshot, Reason.ACCOUNT_FROZEN)
    if sale.subsidy is not None and taken_over(sale.subsidy.per, (sale.day, sale.meal), account.meals_taken) == 0:
        sale = sale._replace(price=sale.price.subsidised(sale.subsidy))
    refused = _unproved(sale, account) or _limited(sale, account)
    if refused is not None:
        return _verdict(sale, snapshot, refused)
    if sale.selling.payer == DEPARTMENT:
        return _verdict(sale, snapshot, Reason.CHARGED, (Leg(DEPARTMENT_LEG, sale.price.amount),))
    if sale.price.rights:
        left = sum(purse.balance - purse.floor for purse in account.purses if purse.kind == COUNT_PURSE)
        return _verdict(sale, snapshot, Reason.CHARGED if left >= sale.price.rights else Reason.COUNT_USED_UP)
    legs = split_over_purses(sale.price.amount, account.purses)
    if legs is None:
        return _verdict(sale, snapshot, Reason.BALANCE_TOO_LOW)
    return _verdict(sale, snapshot, Reason.CHARGED, legs)


def authorise_alone(
    tap: MealTap, snapshot: Snapshot, denied: Mapping[str, Reason], spell: OfflineSpell, at: datetime
) -> Authorisation:
    """Decide a meal without the server: the same price and card rules, and the till's caps instead of the balance.

    What only the server can prove (presence, an order) is served or refused as the till is set; no PIN helps. Which tap
    is the first of a meal the till knows only of itself: a second subsidy is posted, for it was given, and found (C26).
    """
    sale = _sale(tap, snapshot, denied, at)
    if isinstance(sale, Reason):
        return _without_price(sale, tap, snapshot)
    if sale.card.account_state is not AccountState.OPEN:
        frozen = sale.card.account_state is AccountState.FROZEN
        return _verdict(sale, snapshot, Reason.ACCOUNT_FROZEN if frozen else Reason.ACCOUNT_CLOSED)
    if (sale.till.presence or sale.selling.ordered) and not sale.till.serves_unproved:
        return _verdict(sale, snapshot, Reason.OFFLINE_NOT_PROVED)
    if sale.subsidy is not None and not spell.of_card.get(tap.credential, 0):
        sale = sale._replace(price=sale.price.subsidised(sale.subsidy))
    if sale.limits:
        of_a_tap = tuple(limit for limit in sale.limits if limit.per == TAP)
        over = limit_reached(of_a_tap, sale.price.amount, (sale.day, sale.meal), Eaten(), Pin.NONE)
        if over is not None:
            return _verdict(sale, snapshot, over)
    capped = cap_reached(sale.till, spell, tap.credential, Fen(sale.price.amount + sale.price.subsidy))
    return _verdict(sale, snapshot, capped or Reason.CHARGED)


def _sale(tap: MealTap, snapshot: Snapshot, denied: Mapping[str, Reason], at: datetime) -> _Sale | Reason:
    """Apply every rule that needs no account."""
    if snapshot.version == 0:
        return Reason.SNAPSHOT_MISSING
    till = snapshot.till(tap.till)
    if till is None:
        return Reason.TILL_UNKNOWN
    card = snapshot.card(tap.credential)
    refused = card_reason(card, tap.credential, denied, at)
    if refused is not None or card is None:
        return refused or Reason.CARD_UNKNOWN
    if card.product not in CANTEEN_PRODUCTS:
        return Reason.PRODUCT_NOT_FOR_CANTEEN
    moment = site_time(at, snapshot.zone, snapshot.day_starts_at)
    if till.opening and not is_open(till.opening, snapshot.days, moment):
        return Reason.TILL_CLOSED
    second = second_of(moment)
    period = meal_at(snapshot, moment.business_day, second)
    if period is None and not till.without_meal:
        return Reason.NO_MEAL_NOW
    meal = NO_MEAL if period is None else period.counts_as or period.id
    if not snapshot.eligible(card.category, till.stall, meal):
        return Reason.NOT_ELIGIBLE
    selling = selling_at(till, second) if till.turns else till
    if selling.payer not in PAYERS or till.presence not in PRESENCES:
        return Reason.MODE_UNKNOWN
    if selling.payer == DEPARTMENT and not card.credit:
        return Reason.NO_CREDIT
    price = price_of(tap.entry, till, selling, Buyer(card.category, meal, moment.business_day), snapshot)
    if isinstance(price, Reason):
        return price
    limit = period.limit_count if period is not None else 0
    limits = snapshot.limits_for(card.category, till.stall, meal)
    subsidy = None if selling.payer == DEPARTMENT else snapshot.meal_subsidy(card.category, till.stall, meal)
    if subsidy is not None and subsidy.per not in {MEAL, DAY}:
        subsidy = None
    return _Sale(card, till, selling, meal, moment.business_day, limit, price, limits, subsidy)


def meal_at(snapshot: Snapshot, business_day: date, second: int) -> MealItem | None:
    """Find the period that holds at a local second of a business day; the earliest start wins should two overlap."""
    for meal in snapshot.meals_on(business_day):
        start, end = meal.start_seconds, meal.end_seconds
        if (start <= second < end) if start < end else (second >= start or second < end):
            return meal
    return None


def second_of(moment: SiteTime) -> int:
    """Return the local second of the day."""
    time = moment.time_of_day
    return time.hour * 3600 + time.minute * 60 + time.second


def split_over_purses(amount: Fen, purses: tuple[PurseBalance, ...]) -> tuple[Leg, ...] | None:
    """Take an amount from the purses in spend order, each down to its floor; None when they do not suffice."""
    left = int(amount)
    legs: list[Leg] = []
    for kind in SPEND_ORDER:
        for purse in purses:
            usable = purse.balance - purse.floor
            if purse.kind != kind or usable <= 0 or left == 0:
                continue
            part = min(left, usable)
            legs.append(Leg(kind, Fen(part)))
            left -= part
    return tuple(legs) if left == 0 else None


def _unproved(sale: _Sale, account: AccountView) -> Reason | None:
    presence = sale.till.presence
    if presence == IN_TODAY and not account.entered:
        return Reason.NOT_INSIDE
    if presence == NOT_IN_TODAY and account.entered:
        return Reason.ALREADY_INSIDE
    if sale.selling.ordered and account.ordered.get((sale.day, sale.meal), 0) <= 0:
        return Reason.NO_ORDER
    return None


def _limited(sale: _Sale, account: AccountView) -> Reason | None:
    if sale.meal_limit and account.meals_taken.get((sale.day, sale.meal), 0) >= sale.meal_limit:
        return Reason.MEAL_LIMIT
    if not sale.limits:
        return None
    eaten = Eaten(account.meals_taken, account.fen_taken)
    return limit_reached(sale.limits, sale.price.amount, (sale.day, sale.meal), eaten, account.pin)


def _without_price(reason: Reason, tap: MealTap, snapshot: Snapshot) -> Authorisation:
    card = snapshot.card(tap.credential)
    return Authorisation(approved=False, reason=reason, policy_version=snapshot.version, card=card)


def _verdict(sale: _Sale, snapshot: Snapshot, reason: Reason, legs: tuple[Leg, ...] = ()) -> Authorisation:
    price = sale.price
    return Authorisation(
        approved=reason is Reason.CHARGED,
        reason=reason,
        policy_version=snapshot.version,
        amount=price.amount,
        meal=sale.meal,
        business_day=sale.day,
        legs=legs,
        card=sale.card,
        discount=price.discount,
        surcharge=price.surcharge,
        rights=price.rights,
        credit=sale.credit,
        subsidy=price.subsidy,
    )
