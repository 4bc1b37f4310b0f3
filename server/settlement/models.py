"""What a stall's contract and settlement sheet are, and the arithmetic of fees. No I/O.

Rounding, stated once: commission is a share of what a contract's days came to (turnover less refunds), rounded half up
once for all these days together. Each day's line shows its own share rounded half up; what the lines lack of the whole
is the residue, which is booked on the account `rounding`. Per-charge fees are whole fen and have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from cardcore.ids import StallId
from cardcore.money import Fen, basis_points_of, residue_of

WHOLE = 10_000
"""Basis points of the whole."""
MAX_FEE_PER_CHARGE_FEN = 10_000


class SettlementRefusal(StrEnum):
    """Why nothing was written."""

    NOT_ALLOWED = "not_allowed"
    STALL_UNKNOWN = "stall_unknown"
    OWNER_MISSING = "owner_missing"
    TOO_LONG = "too_long"
    TERMS_OUT_OF_RANGE = "terms_out_of_range"
    BEGINS_TOO_EARLY = "begins_too_early"
    """A contract's version begins after the one before, and after the last day settled."""
    NO_CONTRACT = "no_contract"
    """A day of the sheet has no contract."""
    DAYS_OUT_OF_RANGE = "days_out_of_range"
    DAYS_NOT_CLOSED = "days_not_closed"
    SHEET_UNKNOWN = "sheet_unknown"
    SAME_PERSON = "same_person"
    """Who drew up a sheet does not mark it paid."""
    PERSON_UNKNOWN = "person_unknown"
    ALREADY_PAID = "already_paid"
    NOTHING_DUE = "nothing_due"
    REFERENCE_MISSING = "reference_missing"


@dataclass(frozen=True, slots=True)
class Contract:
    """One dated version of a stall's contract. The stall is open from `begins` through `ends`, or without end."""

    stall_id: StallId
    begins: date
    owner: str
    """Who runs the stall and is paid."""
    commission_basis_points: int = 0
    """Of turnover less refunds; 250 = 2.5 %."""
    fee_per_charge: Fen = Fen(0)
    ends: date | None = None
    contact: str = ""
    account: str = ""
    """The bank account that is paid."""
    version: int = 0

    def covers(self, day: date) -> bool:
        """Tell whether the contract runs on a day, later versions left aside."""
        return self.begins <= day and (self.ends is None or day <= self.ends)


@dataclass(frozen=True, slots=True)
class Taking:
    """What came to a stall's account in one business day, before fees."""

    day: date
    charges: int
    """Charges less reversals."""
    turnover: Fen
    refunds: Fen

    @property
    def basis(self) -> Fen:
        """What commission is counted on."""
        return Fen(self.turnover - self.refunds)


@dataclass(frozen=True, slots=True)
class Line:
    """A day of a sheet with its share of the fees."""

    taking: Taking
    version: int
    commission: Fen
    fee: Fen


@dataclass(frozen=True, slots=True)
class Fees:
    """The fees of a sheet: lines by day, and the residue that makes them the whole."""

    lines: tuple[Line, ...]
    commission: Fen
    """The whole: the sum of the lines and the residue."""
    residue: Fen
    fee: Fen


class SheetState(StrEnum):
    """How far a sheet is."""

    DRAWN = "drawn"
    NOTHING_DUE = "nothing_due"
    """What is due is nothing or less; it is carried to the next sheet."""
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A settlement sheet: turnover - refunds - fees + carried = payable."""

    id: str
    stall_id: StallId
    from_day: date
    through_day: date
    charges: int
    turnover: Fen
    refunds: Fen
    commission: Fen
    fee: Fen
    residue: Fen
    carried: Fen
    payable: Fen
    state: SheetState
    made_by: str
    made_at: datetime
    paid_by: str
    paid_at: datetime | None
    reference: str


def contract_on(contracts: Sequence[Contract], day: date) -> Contract | None:
    """Return the version that is in force on a day: the last to begin, if it covers the day."""
    begun = [contract for contract in contracts if contract.begins <= day]
    last = max(begun, key=lambda contract: (contract.begins, contract.version), default=None)
    return last if last is not None and last.covers(day) else None


def fees_of(takings: Sequence[Taking], contracts: Sequence[Contract]) -> Fees | None:
    """Return the fees of days, by the rule at the head of this file; None when a day has no contract."""
    spans: dict[int, list[Taking]] = {}
    terms: dict[int, Contract] = {}
    for taking in takings:
        contract = contract_on(contracts, taking.day)
        if contract is None:
            return None
        spans.setdefault(contract.version, []).append(taking)
        terms[contract.version] = contract
    lines: list[Line] = []
    whole = 0
    for version, days in spans.items():
        share = terms[version].commission_basis_points
        whole += basis_points_of(Fen(sum(day.basis for day in days)), share)
        lines += [
            Line(day, version, basis_points_of(day.basis, share), Fen(day.charges * terms[version].fee_per_charge))
            for day in days
        ]
    lines.sort(key=lambda line: line.taking.day)
    residue = residue_of(Fen(whole), [line.commission for line in lines])
    return Fees(tuple(lines), Fen(whole), residue, Fen(sum(line.fee for line in lines)))
