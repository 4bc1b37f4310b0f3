"""`authorise`: whether a meal may be charged and how much. Pure, and the same on server and daemon.

Online the account's purses are known and the floor holds (I5). Offline no balance is known: the caps of the till
bound what can be lost, and an approved offline meal always posts (P17).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from cardcore.access.decide import card_reason
from cardcore.access.items import AccountState, CardItem, MealItem, Product, TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.clock import SiteTime, site_time
from cardcore.ids import CredentialKey, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason

CANTEEN_PRODUCTS = frozenset({Product.COMBINED, Product.CANTEEN_ONLY})

SPEND_ORDER = ("subsidy", "cash")
"""Purses in the order in which a charge uses them (C23)."""


@dataclass(frozen=True, slots=True)
class MealTap:
    """A credential shown at a till in fixed-price mode."""

    credential: CredentialKey
    till: TillId


@dataclass(frozen=True, slots=True)
class PurseBalance:
    """What a purse holds and how low it may go."""

    kind: str
    balance: Fen
    floor: Fen = Fen(0)


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account as locked in the deciding transaction: purses, and meals already taken by (business day, meal)."""

    state: AccountState
    purses: tuple[PurseBalance, ...]
    meals_taken: Mapping[tuple[date, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfflineSpell:
    """What a till has done since it last heard the server; the caps are held against it."""

    since: timedelta | None
    """Time since the last contact; None = never any."""
    count: int = 0
    total: Fen = Fen(0)
    of_card: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a charge taken from one purse."""

    purse: str
    amount: Fen


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Whether, why, how much, for which meal, and from which purses (online only)."""

    approved: bool
    reason: Reason
    policy_version: int
    amount: Fen = Fen(0)
    meal: str = ""
    business_day: date | None = None
    legs: tuple[Leg, ...] = ()
    card: CardItem | None = None


def authorise(
    tap: MealTap, snapshot: Snapshot, denied: Mapping[str, Reason], account: AccountView | None, at: datetime
) -> Authorisation:
    """Decide a meal with the account in hand; `account` is None when the card has none. `at` is aware UTC."""
    priced = price_meal(tap, snapshot, denied, at)
    if not priced.approved:
        return priced
    if account is None or account.state is AccountState.CLOSED:
        return _refuse(priced, Reason.ACCOUNT_CLOSED)
    if account.state is AccountState.FROZEN:
        return _refuse(priced, Reason.ACCOUNT_FROZEN)
    meal = next(meal for meal in snapshot.meals if meal.id == priced.meal)
    if priced.business_day is not None and meal.limit_count:
        taken = account.meals_taken.get((priced.business_day, priced.meal), 0)
        if taken >= meal.limit_count:
            return _refuse(priced, Reason.MEAL_LIMIT)
    legs = split_over_purses(priced.amount, account.purses)
    if legs is None:
        return _refuse(priced, Reason.BALANCE_TOO_LOW)
    return _with_legs(priced, legs)


def authorise_alone(
    tap: MealTap, snapshot: Snapshot, denied: Mapping[str, Reason], spell: OfflineSpell, at: datetime
) -> Authorisation:
    """Decide a meal without the server: the same price and card rules, and the till's caps instead of the balance."""
    priced = price_meal(tap, snapshot, denied, at)
    till = snapshot.till(tap.till)
    if not priced.approved or till is None:
        return priced
    if priced.card is not None and priced.card.account_state is not AccountState.OPEN:
        frozen = priced.card.account_state is AccountState.FROZEN
        return _refuse(priced, Reason.ACCOUNT_FROZEN if frozen else Reason.ACCOUNT_CLOSED)
    capped = _cap(tap, till, spell, priced.amount)
    return _refuse(priced, capped) if capped is not None else priced


def price_meal(tap: MealTap, snapshot: Snapshot, denied: Mapping[str, Reason], at: datetime) -> Authorisation:
    """Apply every rule that needs no account: till, card, product, meal period, price."""
    card = snapshot.card(tap.credential)
    blank = Authorisation(approved=False, reason=Reason.CHARGED, policy_version=snapshot.version, card=card)
    if snapshot.version == 0:
        return _refuse(blank, Reason.SNAPSHOT_MISSING)
    till = snapshot.till(tap.till)
    if till is None:
        return _refuse(blank, Reason.TILL_UNKNOWN)
    refused = card_reason(card, tap.credential, denied, at)
    if refused is not None or card is None:
        return _refuse(blank, refused or Reason.CARD_UNKNOWN)
    if card.product not in CANTEEN_PRODUCTS:
        return _refuse(blank, Reason.PRODUCT_NOT_FOR_CANTEEN)
    moment = site_time(at, snapshot.zone, snapshot.day_starts_at)
    meal = meal_at(snapshot, moment)
    if meal is None:
        return _refuse(blank, Reason.NO_MEAL_NOW)
    tariff = snapshot.price(meal.id, till.stall, card.category)
    if tariff is None:
        return _refuse(blank, Reason.NO_PRICE)
    return Authorisation(
        approved=True,
        reason=Reason.CHARGED,
        policy_version=snapshot.version,
        amount=tariff.price,
        meal=meal.id,
        business_day=moment.business_day,
        card=card,
    )


def meal_at(snapshot: Snapshot, moment: SiteTime) -> MealItem | None:
    """Find the meal period that holds at a moment; the earliest start wins should two overlap."""
    time = moment.time_of_day
    second = time.hour * 3600 + time.minute * 60 + time.second
    found = [meal for meal in snapshot.meals if _holds(meal, second)]
    return min(found, key=lambda meal: (meal.start_seconds, meal.id), default=None)


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


def _cap(tap: MealTap, till: TillItem, spell: OfflineSpell, amount: Fen) -> Reason | None:
    if spell.since is None or spell.since > timedelta(hours=till.offline_hours_cap):
        return Reason.OFFLINE_TOO_LONG
    if amount > till.offline_tap_cap:
        return Reason.OFFLINE_TAP_CAP
    if spell.of_card.get(tap.credential, 0) >= till.offline_card_cap:
        return Reason.OFFLINE_CARD_CAP
    if spell.count >= till.offline_count_cap:
        return Reason.OFFLINE_TILL_COUNT_CAP
    if spell.total + amount > till.offline_sum_cap:
        return Reason.OFFLINE_TILL_SUM_CAP
    return None


def _holds(meal: MealItem, second: int) -> bool:
    if meal.start_seconds < meal.end_seconds:
        return meal.start_seconds <= second < meal.end_seconds
    return second >= meal.start_seconds or second < meal.end_seconds


def _refuse(priced: Authorisation, reason: Reason) -> Authorisation:
    return Authorisation(
        approved=False,
        reason=reason,
        policy_version=priced.policy_version,
        amount=priced.amount,
        meal=priced.meal,
        business_day=priced.business_day,
        card=priced.card,
    )


def _with_legs(priced: Authorisation, legs: tuple[Leg, ...]) -> Authorisation:
    return Authorisation(
        approved=True,
        reason=Reason.CHARGED,
        policy_version=priced.policy_version,
        amount=priced.amount,
        meal=priced.meal,
        business_day=priced.business_day,
        legs=legs,
        card=priced.card,
    )
