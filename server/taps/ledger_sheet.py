"""Charging and reversing over locked accounts: changes balances in memory and writes down the rows.

Nothing here decides whether a meal may be charged; it books what was decided, so that every change of a purse has
its transfer with the balance after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from cardcore.access.items import AccountState
from cardcore.canteen.authorise import COUNT_PURSE, DEPARTMENT_LEG, SPEND_ORDER, Authorisation, Leg
from cardcore.ids import IdSource, SiteId, TapKey
from cardcore.journal import Outcome, OutcomeKind, Verdict
from cardcore.money import Fen
from server.ledger.roles import LedgerRole, Receivable, unit_of
from server.taps.arrivals import AccountRow, ChargeRow, Extra, Facts, PurseRow, Writes
from server.taps.rows import ChargeInsert, TransferInsert

MEALS_TAKEN, SURCHARGE_INCOME, REBATE = LedgerRole.MEALS_TAKEN, LedgerRole.SURCHARGE_INCOME, LedgerRole.REBATE
MEAL_RIGHTS = LedgerRole.MEAL_RIGHTS
GUEST, HOUSE, MEAL_SUBSIDY = "guest", "main", "meal"
"""Names of the accounts of what guests pay on top, of what the house pays for discounts, and of first taps (C26)."""
WITHOUT_PURSE = "without_purse"
"""The account of meals eaten alone by holders who have no count purse."""
REBATE_KIND, MEAL_EXTRA = "rebate", "meal"
"""Kinds of a charge's extras: what the house pays for a discount, and a meal from a count purse."""
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


class Parts(NamedTuple):
    """What of a charge is not simply a payer's money for the stall."""

    discount: int = 0
    """The stall gets it from the house."""
    surcharge: int = 0
    """The house gets it, out of what is paid."""
    rights: int = 0
    credit: str = ""
    subsidy: int = 0
    """The stall gets it from the house, too: this was the first tap of the meal or day."""

    @property
    def moves(self) -> bool:
        """Whether something is booked even where nobody pays."""
        return bool(self.discount or self.rights or self.subsidy)


PLAIN = Parts()


def parts_of(verdict: Authorisation | Verdict) -> Parts:
    """Return the parts of a charge as they were decided."""
    if not (verdict.discount or verdict.surcharge or verdict.rights or verdict.credit or verdict.subsidy):
        return PLAIN
    return Parts(verdict.discount, verdict.surcharge, verdict.rights, verdict.credit, verdict.subsidy)


class LedgerSheet:
    """The postings of one batch."""

    def __init__(self, facts: Facts, writes: Writes, ids: IdSource, now: datetime) -> None:
        """Take the batch's facts and the rows it collects; `now` is the time of posting."""
        self._facts = facts
        self._writes = writes
        self._ids = ids
        self._now = now

    def charge(self, meal: Meal, account: AccountRow | None, legs: Sequence[Leg], parts: Parts = PLAIN) -> ChargeRow:
        """Book a charge taken from purses by `legs`; without an account it goes to the receivable."""
        before = self._facts.charge_of(meal.key)
        revision = 0 if before is None else before.revision + 1
        charge_id = self._ids.uuid7()
        stall = self._ledger_account(meal.site, "stall", meal.stall)
        posted_in = meal.posted_in or meal.business_day
        taken: list[tuple[UUID, int]] = []
        extras: list[Extra] = []
        amount = sum(leg.amount for leg in legs)
        for_stall = amount - parts.surcharge
        for leg in legs:
            part = min(leg.amount, for_stall)
            for_stall -= part
            if part:
                source, balance = self._take(meal, account, leg.purse, part, parts.credit)
                taken.append((source, part))
                self._transfer(meal, posted_in, "charge", charge_id, (source, stall), part, (balance, None))
            if part < leg.amount:
                extras.append(self._surcharge(meal, account, charge_id, Leg(leg.purse, Fen(leg.amount - part)), parts))
        if parts.moves:
            extras += self._beside(meal, account, charge_id, stall, parts)
        row = ChargeRow(
            charge_id, revision, amount, account.id if account else None, account.person_id if account else None,
            meal.till, meal.stall, meal.meal, meal.business_day, tuple(taken), tuple(extras), meal.at,
        )  # fmt: skip
        self._add(meal, row, posted_in, reverses=None)
        if account is not None:
            _count_meal(account, row, 1, amount)
        return row

    def _surcharge(self, meal: Meal, account: AccountRow | None, charge_id: UUID, leg: Leg, parts: Parts) -> Extra:
        source, balance = self._take(meal, account, leg.purse, leg.amount, parts.credit)
        target = self._ledger_account(meal.site, SURCHARGE_INCOME, GUEST)
        posted_in = meal.posted_in or meal.business_day
        self._transfer(meal, posted_in, "charge", charge_id, (source, target), leg.amount, (balance, None))
        return Extra(source, target, leg.amount, "charge")

    def _beside(
        self, meal: Meal, account: AccountRow | None, charge_id: UUID, stall: UUID, parts: Parts
    ) -> Iterable[Extra]:
        """Book what the house pays for a discount or a first tap, and the meal that a count purse gives."""
        posted_in = meal.posted_in or meal.business_day
        for name, part in ((HOUSE, parts.discount), (MEAL_SUBSIDY, parts.subsidy)):
            if part:
                house = self._ledger_account(meal.site, REBATE, name)
                self._transfer(meal, posted_in, REBATE_KIND, charge_id, (house, stall), part, (None, None))
                yield Extra(house, stall, part, REBATE_KIND)
        if parts.rights:
            source, balance = self._take_meals(meal, account, parts.rights)
            target = self._ledger_account(meal.site, MEALS_TAKEN, meal.stall)
            self._transfer(meal, posted_in, "charge", charge_id, (source, target), parts.rights, (balance, None))
            yield Extra(source, target, parts.rights, MEAL_EXTRA)

    def _take_meals(self, meal: Meal, account: AccountRow | None, rights: int) -> tuple[UUID, int | None]:
        """Take meals from the count purse; who has none leaves a claim in meals, as money leaves one in fen (P17)."""
        if account is None:
            return self._ledger_account(meal.site, MEAL_RIGHTS, Receivable.UNKNOWN_CARD), None
        if account.state is AccountState.CLOSED:
            return self._ledger_account(meal.site, MEAL_RIGHTS, Receivable.CLOSED_ACCOUNT), None
        purse = account.purses.get(COUNT_PURSE)
        if purse is None:
            return self._ledger_account(meal.site, MEAL_RIGHTS, WITHOUT_PURSE), None
        purse.balance -= rights
        purse.changed = True
        return purse.id, purse.balance

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
        moved = [Extra(source, stall, amount, "charge") for source, amount in charge.legs]
        for source, target, amount, kind in (*moved, *charge.extras):
            purse = purses.get(source)
            if purse is not None:
                purse.balance += amount
                purse.changed = True
            balance = purse.balance if purse is not None else None
            back = REBATE_KIND if kind == REBATE_KIND else "reversal"
            self._transfer(meal, posted_in, back, reversal_id, (target, source), amount, (None, balance))
        row = ChargeRow(
            reversal_id, charge.revision + 1, charge.amount, charge.account_id, charge.person_id,
            charge.till, charge.stall, charge.meal, charge.business_day, (), (), charge.at,
        )  # fmt: skip
        self._add(meal, row, posted_in, reverses=charge.id)
        if account is not None:
            # Who was refunded the whole charge has had the meal's count back already.
            paid = [extra.amount for extra in charge.extras if extra.kind == "charge"]
            gone = not charge.legs and not charge.extras
            left = sum(amount for _, amount in charge.legs) + sum(paid)
            _count_meal(account, charge, 0 if gone else -1, -left)
        return row

    def _take(
        self, meal: Meal, account: AccountRow | None, payer: str, amount: int, department: str
    ) -> tuple[UUID, int | None]:
        if payer == DEPARTMENT_LEG:
            return self._ledger_account(meal.site, "receivable", f"department:{department}"), None
        purse = account.purses.get(payer) if account is not None else None
        if purse is None:
            name = Receivable.UNKNOWN_CARD if account is None else Receivable.CLOSED_ACCOUNT
            return self._ledger_account(meal.site, "receivable", name), None
        purse.balance -= amount
        purse.changed = True
        return purse.id, purse.balance

    def _ledger_account(self, site: SiteId, role: str, name: str) -> UUID:
        accounts = self._facts.ledger_accounts[site]
        found = accounts.get((role, name))
        if found is None:
            found = accounts[role, name] = self._ids.uuid7()
            self._writes.ledger_account.append(
                {"id": found, "site_id": site, "role": role, "name": name, "unit": unit_of(role)}
            )
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


def agrees(outcome: Outcome, charge: ChargeRow | None) -> bool:
    """Tell whether the books already say what the outcome says: the served amount in force, or nothing."""
    served = outcome.outcome is OutcomeKind.SERVED
    if charge is not None and charge.in_force:
        return served and charge.amount == outcome.verdict.amount
    return not served or not must_post(outcome.verdict)


def must_post(verdict: Verdict) -> bool:
    """Tell whether a served meal moves anything: money of the holder or of the house, or a meal."""
    return bool(verdict.amount or verdict.rights or verdict.discount or verdict.subsidy)


def forced_legs(account: AccountRow | None, amount: int, department: str = "") -> tuple[tuple[Leg, ...], bool]:
    """Split an amount that must post whatever the account looks like; also tell whether it overdraws.

    Purses are used down to their floors in spend order, the rest goes below the floor of the cash purse. A closed
    account's purses are left alone: the amount goes to the receivable, as it does of a department that pays.
    """
    if department:
        return (Leg(DEPARTMENT_LEG, Fen(amount)),), False
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


def no_meal_left(account: AccountRow | None, rights: int) -> bool:
    """Tell whether meals served are more than the count purse has."""
    purse = account.purses.get(COUNT_PURSE) if account is not None else None
    if account is not None and account.state is AccountState.CLOSED:
        return False
    return rights > 0 and (purse is None or usable(purse) < rights)


def total_balance(account: AccountRow, rights: int = 0) -> int:
    """Return what the holder sees on the till's display: all spendable purses together, or the meals left."""
    if rights:
        purse = account.purses.get(COUNT_PURSE)
        return purse.balance if purse is not None else 0
    return sum(purse.balance for purse in account.purses.values() if purse.kind in SPEND_ORDER)


def _count_meal(account: AccountRow, charge: ChargeRow, count: int, fen: int) -> None:
    day, meal = charge.business_day, charge.meal
    if account.ordered and (charge.stall, day, meal) in account.ordered:
        account.ordered[charge.stall, day, meal] -= count
    account.meals[day, meal] = account.meals.get((day, meal), 0) + count
    account.spent[day, meal] = account.spent.get((day, meal), 0) + fen
    old_count, old_fen = account.meal_changes.get((day, meal), (0, 0))
    account.meal_changes[day, meal] = (old_count + count, old_fen + fen)
