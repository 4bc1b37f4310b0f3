"""Charging and reversing over locked accounts: changes balances in memory and writes down the rows.

Nothing here decides whether a meal may be charged; it books what was decided, so that every change of a purse has
its transfer with the balance after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from cardcore.access.items import AccountState
from cardcore.canteen.authorise import SPEND_ORDER, Leg
from cardcore.ids import IdSource, SiteId, TapKey
from cardcore.money import Fen
from server.taps.arrivals import AccountRow, ChargeRow, Facts, PurseRow, Writes
from server.taps.rows import ChargeInsert, TransferInsert

DEBT_PURSE = "cash"
"""The purse that goes below its floor when an approved offline meal must post (P17)."""


class Meal(Struct, frozen=True):
    """What was eaten, where and when, as the charge row says it."""

    key: TapKey
    site: SiteId
    till: str
    stall: str
    meal: str
    business_day: date
    """In which it was eaten."""
    at: datetime
    offline: bool
    flag: str = ""
    posted_in: date | None = None
    """The business day it is posted in; None = the one it was eaten in."""


class LedgerSheet:
    """The postings of one batch."""

    def __init__(self, facts: Facts, writes: Writes, ids: IdSource, now: datetime) -> None:
        """Take the batch's facts and the rows it collects; `now` is the time of posting."""
        self._facts = facts
        self._writes = writes
        self._ids = ids
        self._now = now

    def charge(self, meal: Meal, account: AccountRow | None, legs: Sequence[Leg]) -> ChargeRow:
        """Book a charge taken from purses by `legs`; without an account it goes to the receivable."""
        before = self._facts.charge_of(meal.key)
        revision = 0 if before is None else before.revision + 1
        charge_id = self._ids.uuid7()
        stall = self._ledger_account(meal.site, "stall", meal.stall)
        posted_in = meal.posted_in or meal.business_day
        taken: list[tuple[UUID, int]] = []
        amount = sum(leg.amount for leg in legs)
        for leg in legs:
            source, balance = self._take(meal, account, leg)
            taken.append((source, leg.amount))
            self._transfer(meal, posted_in, "charge", charge_id, (source, stall), leg.amount, (balance, None))
        row = ChargeRow(
            charge_id, revision, amount, account.id if account else None, account.person_id if account else None,
            meal.till, meal.stall, meal.meal, meal.business_day, tuple(taken),
        )  # fmt: skip
        self._add(meal, row, posted_in, reverses=None)
        if account is not None:
            _count_meal(account, meal.business_day, meal.meal, 1, amount)
        return row

    def reverse(self, meal: Meal, charge: ChargeRow, posted_in: date) -> ChargeRow:
        """Book the opposite of a charge in force, in a business day.

        Every purse gets back what was taken and not refunded since.
        """
        if not charge.in_force:
            msg = f"charge {charge.id} is not in force"
            raise ValueError(msg)
        account = self._facts.accounts.get(charge.account_id) if charge.account_id else None
        purses = {purse.id: purse for purse in account.purses.values()} if account else {}
        stall = self._ledger_account(meal.site, "stall", charge.stall)
        reversal_id = self._ids.uuid7()
        for source, amount in charge.legs:
            purse = purses.get(source)
            if purse is not None:
                purse.balance += amount
                purse.changed = True
            balance = purse.balance if purse is not None else None
            self._transfer(meal, posted_in, "reversal", reversal_id, (stall, source), amount, (None, balance))
        row = ChargeRow(
            reversal_id, charge.revision + 1, charge.amount, charge.account_id, charge.person_id,
            charge.till, charge.stall, charge.meal, charge.business_day, (),
        )  # fmt: skip
        self._add(meal, row, posted_in, reverses=charge.id)
        if account is not None:
            # Who was refunded the whole charge has had the meal's count back already.
            count = 0 if charge.amount and not charge.legs else -1
            left = sum(amount for _, amount in charge.legs)
            _count_meal(account, charge.business_day, charge.meal, count, -left)
        return row

    def _take(self, meal: Meal, account: AccountRow | None, leg: Leg) -> tuple[UUID, int | None]:
        purse = account.purses.get(leg.purse) if account is not None else None
        if purse is None:
            name = "unknown_card" if account is None else "closed_account"
            return self._ledger_account(meal.site, "receivable", name), None
        purse.balance -= leg.amount
        purse.changed = True
        return purse.id, purse.balance

    def _ledger_account(self, site: SiteId, role: str, name: str) -> UUID:
        accounts = self._facts.ledger_accounts[site]
        found = accounts.get((role, name))
        if found is None:
            found = accounts[role, name] = self._ids.uuid7()
            self._writes.ledger_account.append({"id": found, "site_id": site, "role": role, "name": name})
        return found

    def _transfer(
        self,
        meal: Meal,
        posted_in: date,
        kind: str,
        charge_id: UUID,
        accounts: tuple[UUID, UUID],
        amount: int,
        balances: tuple[int | None, int | None],
    ) -> None:
        self._writes.transfer.append(
            TransferInsert(
                self._ids.uuid7(),
                meal.site,
                kind,
                *accounts,
                amount,
                *balances,
                charge_id,
                posted_in,
                meal.at,
                self._now,
                f"till:{meal.till}",
                "",
            )
        )

    def _add(self, meal: Meal, row: ChargeRow, posted_in: date, reverses: UUID | None) -> None:
        device, epoch, seq = meal.key
        self._facts.journals[device, epoch].charges[seq] = row
        self._writes.charge.append(
            ChargeInsert(
                row.id,
                meal.site,
                device,
                epoch,
                seq,
                row.revision,
                reverses,
                row.account_id,
                row.person_id,
                row.till,
                row.stall,
                row.meal,
                posted_in,
                row.amount,
                meal.offline,
                meal.flag,
                meal.at,
                self._now,
                None if posted_in == row.business_day else row.business_day,
            )
        )


def forced_legs(account: AccountRow | None, amount: int) -> tuple[tuple[Leg, ...], bool]:
    """Split an amount that must post whatever the account looks like; also tell whether it overdraws.

    Purses are used down to their floors in spend order, the rest goes below the floor of the cash purse. A closed
    account's purses are left alone: the amount goes to the receivable.
    """
    if account is None or account.state is AccountState.CLOSED:
        return (Leg("receivable", Fen(amount)),), False
    left = amount
    legs: list[Leg] = []
    for kind in SPEND_ORDER:
        purse = account.purses.get(kind)
        part = min(left, max(0, usable(purse))) if purse else 0
        if part:
            legs.append(Leg(kind, Fen(part)))
            left -= part
    if left:
        legs = [leg for leg in legs if leg.purse != DEBT_PURSE] + [
            Leg(DEBT_PURSE, Fen(left + sum(leg.amount for leg in legs if leg.purse == DEBT_PURSE)))
        ]
    return tuple(legs), left > 0


def usable(purse: PurseRow) -> int:
    """Return what a purse may still give, in fen; negative below its floor."""
    return purse.balance - purse.floor


def total_balance(account: AccountRow) -> int:
    """Return what the holder sees on the till's display: all spendable purses together."""
    return sum(purse.balance for purse in account.purses.values() if purse.kind in SPEND_ORDER)


def _count_meal(account: AccountRow, day: date, meal: str, count: int, fen: int) -> None:
    account.meals[day, meal] = account.meals.get((day, meal), 0) + count
    old_count, old_fen = account.meal_changes.get((day, meal), (0, 0))
    account.meal_changes[day, meal] = (old_count + count, old_fen + fen)
