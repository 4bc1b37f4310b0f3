"""Batches of credits (C27, C28, C40): a sheet is checked, drafted, approved by another person, booked once.

A number books once for ever. All lines or none: what cannot be booked is named with its row before anybody is asked.
Taking a batch back takes what is left of each line and never a fen of other money.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, SiteId, TransferId
from cardcore.money import Fen
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.ledger.booking import About, Booking, LockedPurse
from server.ledger.roles import LedgerRole, Receivable, TransferKind
from server.ledger.service import MAIN
from server.subsidies import repository
from server.subsidies.cells import Unreadable, read_sheet
from server.subsidies.columns import MAX_MISTAKES, Field, Line, Lines, Mistake, RowMistake, read_lines
from server.system import System

MAX_BATCH_NUMBER = 40
MAX_SOURCE = 100


class BatchKind(StrEnum):
    """What a batch gives, and from where."""

    SUBSIDY = "subsidy"
    MEALS = "meals"
    PAYROLL = "payroll"
    BANK = "bank"


class Route(NamedTuple):
    """From which account to which purse a kind of batch goes, and how it comes back."""

    kind: TransferKind
    role: LedgerRole
    name: str
    purse: str
    back: TransferKind


ROUTES: Mapping[BatchKind, Route] = MappingProxyType(
    {
        BatchKind.SUBSIDY: Route(
            TransferKind.SUBSIDY, LedgerRole.SUBSIDY, MAIN, "subsidy", TransferKind.SUBSIDY_REVERSAL
        ),
        BatchKind.MEALS: Route(
            TransferKind.MEAL_RIGHTS, LedgerRole.MEAL_RIGHTS, MAIN, "count", TransferKind.MEAL_RIGHTS_REVERSAL
        ),
        BatchKind.PAYROLL: Route(
            TransferKind.PAYROLL_TOPUP, LedgerRole.RECEIVABLE, Receivable.PAYROLL, "cash", TransferKind.TOPUP_REVERSAL
        ),
        BatchKind.BANK: Route(
            TransferKind.BANK_TOPUP, LedgerRole.BANK_CLEARING, "bank_file", "cash", TransferKind.TOPUP_REVERSAL
        ),
    }
)


class BatchRefusal(StrEnum):
    """Why a batch as a whole is not taken, booked or taken back."""

    NUMBER_UNUSABLE = "number_unusable"
    NUMBER_USED = "number_used"
    """A batch with other lines has this number."""
    CONTROL_MISSING = "control_missing"
    """Neither a total line in the sheet nor a total typed in."""
    CONTROL_DIFFERS = "control_differs"
    NO_LINES = "no_lines"
    UNKNOWN_BATCH = "unknown_batch"
    NOT_A_DRAFT = "not_a_draft"
    NOT_BOOKED = "not_booked"
    CHANGED = "changed"
    """What was approved is not what is drafted."""
    ACCOUNT_CLOSED = "account_closed"
    ABOVE_HIGHEST = "above_highest"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file to be taken in. `control` is the total that somebody read elsewhere, in fen or meals; None = not typed."""

    number: str
    kind: BatchKind
    source: str
    content: bytes
    control: Fen | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sheet would book. Clean when it has neither a refusal nor a mistake."""

    lines: tuple[Line, ...] = ()
    total: Fen = Fen(0)
    mistakes: tuple[RowMistake, ...] = ()
    refused: Unreadable | BatchRefusal | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it could be drafted."""
        return self.refused is None and not self.mistakes


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as it stands."""

    id: UUID
    number: str
    kind: BatchKind
    state: str
    lines: int
    total: Fen
    content_hash: str
    """Hex; what is approved quotes it."""
    reversed: Fen | None = None
    repeated: bool = False


def preview(session: ReadSession | WriteSession, site_id: SiteId, sheet: Sheet) -> Preview:
    """Check a sheet against people and accounts, and write nothing: the dry run."""
    if not sheet.number.strip() or len(sheet.number) > MAX_BATCH_NUMBER or len(sheet.source) > MAX_SOURCE:
        return Preview(refused=BatchRefusal.NUMBER_UNUSABLE)
    rows = read_sheet(sheet.content)
    if isinstance(rows, Unreadable):
        return Preview(refused=rows)
    found = read_lines(rows, Field.MEALS if sheet.kind is BatchKind.MEALS else Field.AMOUNT)
    if isinstance(found, Unreadable):
        return Preview(refused=found)
    mistakes = (*found.mistakes, *_against_people(session, site_id, sheet.kind, found))[:MAX_MISTAKES]
    refused = None if mistakes else _control(sheet, found)
    return Preview(found.lines, found.total, mistakes, refused)


def draft(session: WriteSession, system: System, site_id: SiteId, sheet: Sheet, actor: str) -> BatchView | Preview:
    """Keep a clean sheet as a draft that waits for approval; a sheet that is not clean comes back as its preview."""
    checked = preview(session, site_id, sheet)
    digest = _digest(sheet.kind, checked.lines)
    stored = repository.batch_by_number(session, site_id, sheet.number)
    if stored is not None and bytes(stored["content_hash"]) == digest:
        return view_of(stored, repeated=True)
    if stored is not None:
        return Preview(checked.lines, checked.total, checked.mistakes, BatchRefusal.NUMBER_USED)
    if not checked.is_clean:
        return checked
    accounts = {row["number"]: row["account_id"] for row in _holders(session, site_id, sheet.kind, checked.lines)}
    batch_id = system.ids.uuid7()
    row = {
        "id": batch_id, "site_id": site_id, "number": sheet.number, "kind": sheet.kind, "content_hash": digest,
        "lines": len(checked.lines), "total_fen": checked.total, "source": sheet.source, "made_by": actor,
        "made_at": system.clock.now(),
    }  # fmt: skip
    if not repository.insert_batch(session, row):
        return Preview(checked.lines, checked.total, (), BatchRefusal.NUMBER_USED)
    repository.insert_lines(
        session,
        [
            {"batch_id": batch_id, "site_id": site_id, "line": line.row, "account_id": accounts[line.number],
             "amount_fen": line.amount, "reference": line.reference or None, "transfer_id": system.ids.uuid7()}
            for line in checked.lines
        ],
    )  # fmt: skip
    after = {"kind": sheet.kind, "lines": len(checked.lines), "total_fen": checked.total, "source": sheet.source}
    record(session, system, site_id, Deed(actor, "batch_drafted", f"batch:{sheet.number}", after=after))
    return BatchView(
        batch_id, sheet.number, sheet.kind, "draft", len(checked.lines), checked.total, digest.hex()
    )  # fmt: skip


def book(
    session: WriteSession, system: System, site_id: SiteId, batch_id: UUID, content_hash: str, actor: str
) -> BatchView | BatchRefusal:
    """Book a draft, all lines or none; reached only through an approval of this content."""
    batch = repository.lock_batch(session, site_id, batch_id)
    if batch is None:
        return BatchRefusal.UNKNOWN_BATCH
    if bytes(batch["content_hash"]).hex() != content_hash:
        return BatchRefusal.CHANGED
    if batch["state"] != "draft":
        return BatchRefusal.NOT_A_DRAFT
    route, lines = ROUTES[BatchKind(batch["kind"])], repository.lines(session, batch_id)
    booking = Booking(session, system, site_id, actor)
    place = booking.books(route.role, route.name)
    purses = booking.lock((AccountId(line["account_id"]), route.purse) for line in lines)
    for line in lines:
        purse = purses[line["account_id"], route.purse]
        if purse.state is AccountState.CLOSED:
            return BatchRefusal.ACCOUNT_CLOSED
        if not purse.takes(line["amount_fen"]):
            return BatchRefusal.ABOVE_HIGHEST
        booking.move(
            route.kind, (place, purse.id), line["amount_fen"], About(batch["number"]), TransferId(line["transfer_id"])
        )
    booking.write()
    total = sum(line["amount_fen"] for line in lines)
    done = {"lines": len(lines), "total_fen": total}
    repository.mark_booked(session, {"id": batch_id, **done, "at": system.clock.now()})
    record(session, system, site_id, Deed(actor, "batch_booked", f"batch:{batch['number']}", after=done))
    return view_of({**batch, **done, "state": "booked"})


def reverse(
    session: WriteSession, system: System, site_id: SiteId, batch_id: UUID, actor: str, reason: str
) -> BatchView | BatchRefusal:
    """Take a booked batch back, of each line what its purse still has; reached only through an approval."""
    batch = repository.lock_batch(session, site_id, batch_id)
    if batch is None:
        return BatchRefusal.UNKNOWN_BATCH
    if batch["state"] != "booked":
        return BatchRefusal.NOT_BOOKED
    route, lines = ROUTES[BatchKind(batch["kind"])], repository.lines(session, batch_id)
    booking = Booking(session, system, site_id, actor)
    place = booking.books(route.role, route.name)
    purses = booking.lock((AccountId(line["account_id"]), route.purse) for line in lines)
    taken = sum(_take_back(booking, route, place, line, purses, reason) for line in lines)
    booking.write()
    repository.mark_reversed(session, {"id": batch_id, "fen": taken, "at": system.clock.now()})
    after = {"taken_fen": taken, "missed_fen": batch["total_fen"] - taken}
    record(session, system, site_id, Deed(actor, "batch_reversed", f"batch:{batch['number']}", None, after, reason))
    return view_of({**batch, "state": "reversed", "reversed_fen": taken})


def drop(session: WriteSession, system: System, site_id: SiteId, batch_id: UUID, actor: str) -> BatchRefusal | None:
    """Drop a draft; its number stays used."""
    batch = repository.lock_batch(session, site_id, batch_id)
    if batch is None:
        return BatchRefusal.UNKNOWN_BATCH
    if batch["state"] != "draft":
        return BatchRefusal.NOT_A_DRAFT
    repository.drop_draft(session, batch_id)
    record(session, system, site_id, Deed(actor, "batch_dropped", f"batch:{batch['number']}"))
    return None


def view_of(row: RowMapping | Mapping[str, Any], *, repeated: bool = False) -> BatchView:
    """Return a batch as others see it."""
    back = None if row["reversed_fen"] is None else Fen(row["reversed_fen"])
    return BatchView(
        row["id"], row["number"], BatchKind(row["kind"]), row["state"], row["lines"], Fen(row["total_fen"]),
        bytes(row["content_hash"]).hex(), back, repeated,
    )  # fmt: skip


def _take_back(
    booking: Booking,
    route: Route,
    place: UUID,
    line: RowMapping,
    purses: Mapping[tuple[AccountId, str], LockedPurse],
    reason: str,
) -> int:
    purse = purses[line["account_id"], route.purse]
    part = min(line["amount_fen"], max(0, purse.balance))
    if part:
        booking.move(route.back, (purse.id, place), part, About(reason, corrects=line["transfer_id"]))
    return int(part)


def _control(sheet: Sheet, found: Lines) -> BatchRefusal | None:
    if not found.lines:
        return BatchRefusal.NO_LINES
    if sheet.control is None and found.stated_total is None:
        return BatchRefusal.CONTROL_MISSING
    differs = sheet.control is not None and sheet.control != found.total
    return BatchRefusal.CONTROL_DIFFERS if differs else None


def _digest(kind: BatchKind, lines: Sequence[Line]) -> bytes:
    content = [f"{line.number}\x1f{line.amount}\x1f{line.reference}" for line in lines]
    return hashlib.sha256("\x1e".join([kind, *content]).encode()).digest()


def _holders(
    session: ReadSession | WriteSession, site_id: SiteId, kind: BatchKind, lines: Sequence[Line]
) -> Sequence[RowMapping]:
    return repository.holders(session, site_id, sorted({line.number for line in lines}), ROUTES[kind].purse)


def _against_people(
    session: ReadSession | WriteSession, site_id: SiteId, kind: BatchKind, found: Lines
) -> list[RowMistake]:
    known = {row["number"]: row for row in _holders(session, site_id, kind, found.lines)}
    used = repository.used_references(session, site_id, [line.reference for line in found.lines if line.reference])
    mistakes: list[RowMistake] = []
    for line in found.lines:
        mistake = _of_person(line, known.get(line.number))
        if mistake is not None:
            field = Field.NAME if mistake is Mistake.NAME_DIFFERS else Field.NUMBER
            mistakes.append(RowMistake(line.row, field, mistake, line.number))
        if line.reference in used:
            mistakes.append(RowMistake(line.row, Field.REFERENCE, Mistake.REFERENCE_USED, line.reference))
    return mistakes


def _of_person(line: Line, row: RowMapping | None) -> Mistake | None:
    if row is None:
        return Mistake.PERSON_UNKNOWN
    if line.name and line.name != row["name"]:
        return Mistake.NAME_DIFFERS
    if row["state"] != "active":
        return Mistake.PERSON_LEFT
    if row["account_id"] is None:
        return Mistake.NO_ACCOUNT
    if row["account_state"] == AccountState.CLOSED:
        return Mistake.ACCOUNT_CLOSED
    if row["max_balance_fen"] is not None and row["balance_fen"] + line.amount > row["max_balance_fen"]:
        return Mistake.ABOVE_HIGHEST
    return None
