"""The bank's lines against ours: matched, ours only, theirs only, each with its age (C71). All or nothing.

A statement's line matches a transfer of the same account and amount: the one that its reference names in the note, or,
when only one on each side could be meant, one of nearly the same day. What is matched stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from cardcore.ids import SiteId, StaffId
from cardcore.money import Fen
from server.audit.service import Deed, record, staff_actor
from server.close import bank_repository as repository
from server.close.models import CloseRefusal
from server.database import ReadSession, WriteSession
from server.settlement.sheet_rows import MAX_PROBLEMS, Headed, Problem, headed_rows
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

MAX_LINES = 20_000
"""Lines of one statement."""
NEAR = timedelta(days=3)
"""So far may the bank's day be from ours when the reference does not say which."""
HEADERS = {
    "day": ("day", "date", "日期", "交易日期"),
    "amount": ("amount", "金额", "交易金额"),
    "reference": ("reference", "流水号", "交易流水号"),
    "note": ("note", "摘要", "备注"),
}
"""Columns by any of their names; the amount is negative for what went out."""
_OPTIONAL = frozenset({"note"})


@dataclass(frozen=True, slots=True)
class BankLine:
    """One line of a statement; `amount` is negative for what left the account."""

    day: date
    amount: Fen
    reference: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A line that only one side has. `subject` is the bank's reference, or our transfer's id."""

    subject: str
    day: date
    amount: Fen
    note: str

    def age_days(self, today: date) -> int:
        """Return how many days it has been open."""
        return (today - self.day).days


@dataclass(frozen=True, slots=True)
class Matching:
    """How an account of the bank stands against ours."""

    matched: int
    ours_only: tuple[OpenLine, ...]
    theirs_only: tuple[OpenLine, ...]


def read_statement(content: bytes) -> list[BankLine] | list[Problem]:
    """Read a CSV or XLSX statement; either every line is good, or the problems are returned, row by row."""
    rows = headed_rows(content, HEADERS, _OPTIONAL)
    if isinstance(rows, Problem):
        return [rows]
    if len(rows) > MAX_LINES:
        return [Problem(rows[MAX_LINES].row, "", f"at most {MAX_LINES} lines; split the file")]
    read = [_line(row) for row in rows]
    problems = [one for one in read if isinstance(one, Problem)][:MAX_PROBLEMS]
    lines = [one for one in read if isinstance(one, BankLine)]
    seen: set[str] = set()
    for row, line in zip(rows, lines, strict=False):
        if not problems and line.reference in seen:
            problems.append(Problem(row.row, "reference", f"{line.reference!r} stands in the file twice"))
        seen.add(line.reference)
    return problems or lines


def take_in(
    session: WriteSession, system: System, site_id: SiteId, account: str, lines: Sequence[BankLine], actor: StaffId
) -> Matching | CloseRefusal:
    """Put down a statement's lines, each once, and match what can be matched; the whole account is returned."""
    if not staff.may(session, actor, site_id, Permission.BOOKS_CLOSE):
        return CloseRefusal.NOT_ALLOWED
    now, who = system.clock.now(), staff_actor(actor)
    rows = [
        {
            "id": system.ids.uuid7(), "site_id": site_id, "account": account, "day": line.day,
            "amount_fen": line.amount, "reference": line.reference, "note": line.note, "taken_in_by": who,
            "taken_in_at": now,
        }
        for line in lines
    ]  # fmt: skip
    new = repository.insert_lines(session, rows)
    theirs, ours = (
        repository.open_lines(session, site_id, account),
        repository.open_transfers(session, site_id, account),
    )
    pairs = pair([_open(row) for row in theirs], [_open(row) for row in ours])
    repository.match(session, pairs, now)
    after = {"lines": len(lines), "new": new, "matched": len(pairs)}
    record(session, system, site_id, Deed(who, "bank_statement_taken_in", f"bank:{account}", after=after))
    return matching(session, site_id, account)


def accounts(session: ReadSession | WriteSession, site_id: SiteId) -> list[str]:
    """Return the bank accounts of which a statement was ever taken in."""
    return repository.accounts(session, site_id)


def matching(session: ReadSession | WriteSession, site_id: SiteId, account: str) -> Matching:
    """Return how an account stands: the count of matched lines, and what only one side has, oldest first."""
    theirs, ours = (
        repository.open_lines(session, site_id, account),
        repository.open_transfers(session, site_id, account),
    )
    return Matching(
        repository.matched_count(session, site_id, account),
        tuple(OpenLine(str(row["id"]), row["day"], Fen(row["amount_fen"]), row["text"]) for row in ours),
        tuple(OpenLine(row["reference"], row["day"], Fen(row["amount_fen"]), row["text"]) for row in theirs),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One side of a possible pair: the bank's reference, or the words of our transfer."""

    id: UUID
    day: date
    amount: int
    text: str


def pair(theirs: Sequence[Candidate], ours: Sequence[Candidate]) -> list[tuple[UUID, UUID]]:
    """Return (their line, our transfer) of what belongs together; each side at most once. Pure."""
    pairs: list[tuple[UUID, UUID]] = []
    left = {one.id: one for one in ours}
    by_amount: dict[int, list[Candidate]] = {}
    for one in ours:
        by_amount.setdefault(one.amount, []).append(one)
    unsure: list[Candidate] = []
    for line in theirs:
        named = [one for one in by_amount.get(line.amount, ()) if one.id in left and line.text in one.text.split()]
        if len(named) == 1:
            pairs.append((line.id, left.pop(named[0].id).id))
        else:
            unsure.append(line)
    for line in unsure:
        near = [one for one in by_amount.get(line.amount, ()) if one.id in left and abs(one.day - line.day) <= NEAR]
        rivals = [other for other in unsure if other.amount == line.amount and abs(other.day - line.day) <= 2 * NEAR]
        if len(near) == 1 and len(rivals) == 1:
            pairs.append((line.id, left.pop(near[0].id).id))
    return pairs


def _open(row: repository.Row) -> Candidate:
    return Candidate(row["id"], row["day"], row["amount_fen"], row["reference"] or row["text"])


def _line(row: Headed) -> BankLine | Problem:
    column = "day"
    try:
        day = row.day(column)
        column = "amount"
        amount = row.amount(column)
        column = "reference"
        reference = row.text(column)
        column = "note"
        note = row.text(column, needed=False)
    except ValueError as error:
        return Problem(row.row, column, str(error))
    if not amount:
        return Problem(row.row, "amount", "an amount of nothing is no line")
    return BankLine(day, amount, reference, note)
