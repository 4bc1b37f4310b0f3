"""The books as beancount and hledger files with balance assertions, which those programs check (N6). No I/O.

Both files name accounts alike, and both fail in the other program when a fen is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from cardcore.money import Fen, yuan_text
from server.exports.entries import Books, Entry
from server.ledger.roles import LedgerRole
from server.reports.books import Account

CURRENCY = "CNY"
OPENING = "Equity:Opening-Balances"
ROOTS: Mapping[str, str] = {
    LedgerRole.PURSE: "Liabilities",
    LedgerRole.STALL: "Liabilities",
    LedgerRole.SUBSIDY_WAITING: "Liabilities",
    LedgerRole.PREPAYMENT: "Liabilities",
    LedgerRole.DEPOSIT_HELD: "Liabilities",
    LedgerRole.CASH_DRAWER: "Assets",
    LedgerRole.CASH_SAFE: "Assets",
    LedgerRole.BANK: "Assets",
    LedgerRole.BANK_CLEARING: "Assets",
    LedgerRole.RECEIVABLE: "Assets",
    LedgerRole.CARD_COST_INCOME: "Income",
    LedgerRole.FEE_INCOME: "Income",
    LedgerRole.COMMISSION_INCOME: "Income",
    LedgerRole.SURCHARGE_INCOME: "Income",
    LedgerRole.BALANCES_LEFT: "Income",
    LedgerRole.SUBSIDY: "Expenses",
    LedgerRole.REBATE: "Expenses",
    LedgerRole.OVER_SHORT: "Expenses",
    LedgerRole.ROUNDING: "Expenses",
    LedgerRole.LATE_LIST_LOSS: "Expenses",
    LedgerRole.WRITE_OFF: "Expenses",
    LedgerRole.ADJUSTMENT: "Expenses",
    LedgerRole.SUSPENSE: "Equity",
    LedgerRole.OPENING: "Equity",
}
"""Where an account stands; the table in `server.ledger.roles` says whose side it is on."""

_OTHER = re.compile(r"[^a-zA-Z0-9-]")
_NOT_IN_TEXT = re.compile(r'["\\\r\n;|]')


def account_name(account: Account) -> str:
    """Return an account's name in both programs, e.g. `Liabilities:Stall:Main`; no two accounts share one."""
    parts = (ROOTS[account.role], *(_part(text) for text in (account.role.replace("_", "-"), account.name)))
    return ":".join(parts)


def beancount_text(books: Books, title: str) -> str:
    """Return a beancount file; every closing balance is asserted on the morning after."""
    accounts = _accounts(books)
    lines = [f'option "title" "{_safe(title)}"', f'option "operating_currency" "{CURRENCY}"', ""]
    lines += [f"{books.from_day} open {name} {CURRENCY}" for name in (OPENING, *sorted(accounts.values()))]
    if books.opening:
        lines += ["", f'{books.from_day} * "Opening balances"', *_opening(books, accounts, "  {name}  {amount}")]
    for day, entries, closing in _days(books):
        for entry in entries:
            lines += ["", f'{day} * "{_safe(_narration(entry))}"']
            lines += [f"  {accounts[account]}  {_amount(fen)}" for account, fen in entry.lines]
        morning = day + timedelta(days=1)
        lines += ["", *(f"{morning} balance {accounts[account]}  {_exactly(fen)}" for account, fen in closing)]
    return "\n".join(lines) + "\n"


def hledger_text(books: Books, title: str) -> str:
    """Return an hledger journal; every closing balance is asserted at the end of its day."""
    accounts = _accounts(books)
    lines = [f"; {_safe(title)}", f"commodity 1000.00 {CURRENCY}", ""]
    lines += [f"account {name}" for name in (OPENING, *sorted(accounts.values()))]
    if books.opening:
        lines += ["", f"{books.from_day} * Opening balances", *_opening(books, accounts, "    {name}  {amount}")]
    for day, entries, closing in _days(books):
        for entry in entries:
            lines += ["", f"{day} * {_safe(_narration(entry))}"]
            lines += [f"    {accounts[account]}  {_amount(fen)}" for account, fen in entry.lines]
        if closing:
            lines += ["", f"{day} * Balances at the end of the day"]
            lines += [f"    {accounts[account]}  {_amount(0)} = {_amount(fen)}" for account, fen in closing]
    return "\n".join(lines) + "\n"


def _days(books: Books) -> Iterator[tuple[date, list[Entry], list[tuple[Account, int]]]]:
    """Yield each day that has entries or balances to assert."""
    by_day: dict[date, list[Entry]] = {}
    for entry in books.entries:
        by_day.setdefault(entry.day, []).append(entry)
    for day in sorted(by_day.keys() | books.closing.keys()):
        yield day, by_day.get(day, []), sorted(books.closing.get(day, {}).items())


def _accounts(books: Books) -> dict[Account, str]:
    """Return every account's name; raises ValueError when two would share one."""
    found = {account for entry in books.entries for account, _ in entry.lines} | set(books.opening)
    found |= {account for closing in books.closing.values() for account in closing}
    names = {account: account_name(account) for account in found}
    if len(set(names.values())) != len(names):
        msg = f"accounts share a name: {sorted(names.values())}"
        raise ValueError(msg)
    return names


def _opening(books: Books, accounts: Mapping[Account, str], line: str) -> Iterable[str]:
    for account, fen in sorted(books.opening.items()):
        yield line.format(name=accounts[account], amount=_amount(fen))
    yield line.format(name=OPENING, amount=_amount(-sum(books.opening.values())))


def _narration(entry: Entry) -> str:
    return " ".join(filter(None, (entry.kind, entry.stall, entry.meal, f"x{entry.count}")))


def _part(text: str) -> str:
    """Return one part of a name: capital first, letters, digits and dashes, other characters by their number."""
    escaped = _OTHER.sub(lambda match: f"-u{ord(match[0]):x}-", text) or "-"
    first = escaped[0]
    return f"X{escaped}" if not (first.islower() or first.isdigit()) else first.upper() + escaped[1:]


def _safe(text: str) -> str:
    return _NOT_IN_TEXT.sub(" ", text)


def _exactly(fen: int) -> str:
    """Return an amount for a beancount assertion, which would otherwise let two units of the last digit pass."""
    return f"{yuan_text(Fen(fen))} ~ 0.00 {CURRENCY}"


def _amount(fen: int) -> str:
    return f"{yuan_text(Fen(fen))} {CURRENCY}"
