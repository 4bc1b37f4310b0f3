"""What a ledger account is for (`LedgerRole`), why money moves (`TransferKind`), and in what it is counted (`Unit`).

The one list of them; the schema's checks repeat it and a test compares the two. Whose side an account is on, from the
site's books: *asset* has a negative sum of postings when we hold something (money came from there into purses),
*debt* a positive one when we owe it, *income* a positive one, *expense* a negative one. So a cash drawer that took 50
yuan stands at -5000, the purse at +5000, and all accounts of one unit sum to zero.

| role | side | name | what it is |
|---|---|---|---|
| `purse` | debt | `<account>/<kind>` | what a holder has: the only role with a stored balance |
| `stall` | debt | stall id | what a stall has earned and was not paid yet |
| `cash_drawer` | asset | `main`, or `<desk>/<shift>` | cash in the hands of one shift; zero when the shift is closed |
| `cash_safe` | asset | `main` | cash between shifts and before it goes to the bank |
| `bank` | asset | account's name | money on the bank account, by its statement |
| `bank_clearing` | asset | provider or file's source | paid in, confirmed, not on the statement yet |
| `receivable` | asset | see `Receivable` | what others owe us |
| `subsidy` | expense | `main` | subsidies given, less those taken back |
| `subsidy_waiting` | debt | batch number | subsidies funded and not yet given to holders |
| `prepayment` | debt | payer | money received before it is known whose purses it is for |
| `deposit_held` | debt | pool's name | deposits for cards of no account (visitors); others are purses |
| `card_cost_income` | income | `main` | cards and reissues paid for |
| `fee_income` | income | stall id | management fees kept from stalls |
| `commission_income` | income | stall id | commission kept from stalls |
| `surcharge_income` | income | `guest` | what guests pay on top |
| `balances_left` | income | `main` | what holders left when their accounts were closed |
| `rebate` | expense | `main`, `meal` | discounts, and subsidies of first taps (C26), that the site pays to the stall |
| `over_short` | expense | desk | counted cash against expected cash |
| `rounding` | expense | `main` | residue of rounding, booked by the stated rule (C79) |
| `late_list_loss` | expense | `main` | meals eaten on lost cards before the deny list came |
| `write_off` | expense | `main` | debts nobody will pay |
| `adjustment` | expense | `main` | found differences, booked by two persons (C62) |
| `suspense` | open | see the day close | a line nobody can place yet; zero or explained at month end |
| `opening` | open | `main` or a batch | what stood when these books began |
| `meal_rights` | in meals | `main`, or why none | meal rights handed out, less those taken back; meals eaten without |
| `meals_taken` | in meals | stall id | meal rights used, by stall |
"""

from __future__ import annotations

from enum import StrEnum


class Unit(StrEnum):
    """What an account's amounts count. A transfer joins two accounts of one unit, so each unit's books sum to zero."""

    FEN = "fen"
    MEAL = "meal"
    """Amounts in columns named `.._fen` are whole meals on these accounts (count purses and their two sides)."""


class LedgerRole(StrEnum):
    """What an account of the books is for; the table above says more."""

    PURSE = "purse"
    STALL = "stall"
    CASH_DRAWER = "cash_drawer"
    CASH_SAFE = "cash_safe"
    BANK = "bank"
    BANK_CLEARING = "bank_clearing"
    RECEIVABLE = "receivable"
    SUBSIDY = "subsidy"
    SUBSIDY_WAITING = "subsidy_waiting"
    PREPAYMENT = "prepayment"
    DEPOSIT_HELD = "deposit_held"
    CARD_COST_INCOME = "card_cost_income"
    FEE_INCOME = "fee_income"
    COMMISSION_INCOME = "commission_income"
    SURCHARGE_INCOME = "surcharge_income"
    BALANCES_LEFT = "balances_left"
    REBATE = "rebate"
    OVER_SHORT = "over_short"
    ROUNDING = "rounding"
    LATE_LIST_LOSS = "late_list_loss"
    WRITE_OFF = "write_off"
    ADJUSTMENT = "adjustment"
    SUSPENSE = "suspense"
    OPENING = "opening"
    MEAL_RIGHTS = "meal_rights"
    MEALS_TAKEN = "meals_taken"


class Receivable(StrEnum):
    """The names of accounts of the role `receivable`; a department's is `department:<id>`."""

    UNKNOWN_CARD = "unknown_card"
    """Meals eaten offline on a card that has no account."""
    CLOSED_ACCOUNT = "closed_account"
    """Meals and debts that came to light after an account was closed."""
    PAYROLL = "payroll"
    """Top-ups by payroll until the employer pays."""


class TransferKind(StrEnum):
    """Why something moved. The opposite of an earlier transfer names it in `corrects`."""

    CHARGE = "charge"
    REVERSAL = "reversal"
    """The whole of a charge whose meal was not served, by itself (P17)."""
    REFUND = "refund"
    """All or part of a charge that stands, given back by a person; names the charge."""
    OPENING = "opening"
    TOPUP = "topup"
    """Cash taken at a desk."""
    TOPUP_REVERSAL = "topup_reversal"
    PAYOUT = "payout"
    """Cash given back to a holder."""
    BANK_TOPUP = "bank_topup"
    """A line of a bank's or a provider's file or a confirmed online payment."""
    PAYROLL_TOPUP = "payroll_topup"
    SUBSIDY = "subsidy"
    SUBSIDY_LAPSE = "subsidy_lapse"
    """What was left of a subsidy when its month or its account ended."""
    SUBSIDY_REVERSAL = "subsidy_reversal"
    MEAL_RIGHTS = "meal_rights"
    """Meals for a count purse; in meals, as the two following kinds."""
    MEAL_RIGHTS_LAPSE = "meal_rights_lapse"
    MEAL_RIGHTS_REVERSAL = "meal_rights_reversal"
    DEPOSIT = "deposit"
    DEPOSIT_RETURN = "deposit_return"
    CARD_COST = "card_cost"
    MERGE = "merge"
    """All of one account's purses to another's, when accounts are put together."""
    HOLDER_TRANSFER = "holder_transfer"
    CLOSURE = "closure"
    """What a closing account had or owed: paid out, left, or moved to the receivable."""
    ADJUSTMENT = "adjustment"
    WRITE_OFF = "write_off"
    SURCHARGE = "surcharge"
    REBATE = "rebate"
    CASH_MOVE = "cash_move"
    """Between drawers, safe and bank."""
    CASH_DIFFERENCE = "cash_difference"
    """Counted cash against expected cash, at the end of a shift."""
    BANK_SETTLEMENT = "bank_settlement"
    """A clearing account against the bank, when the statement's line has come."""
    FEE = "fee"
    COMMISSION = "commission"
    STALL_PAYOUT = "stall_payout"
    ROUNDING = "rounding"
    RECEIPT = "receipt"
    """A debtor pays: receivable or prepayment against bank or cash."""
    SUSPENSE = "suspense"


MEAL_ROLES = frozenset({LedgerRole.MEAL_RIGHTS, LedgerRole.MEALS_TAKEN})
COUNT_PURSE = "count"
"""The kind of purse that holds meals."""


def unit_of(role: str, purse_kind: str = "") -> Unit:
    """Return what an account of this role counts; for a purse its kind decides."""
    if role == LedgerRole.PURSE:
        return Unit.MEAL if purse_kind == COUNT_PURSE else Unit.FEN
    return Unit.MEAL if role in MEAL_ROLES else Unit.FEN
