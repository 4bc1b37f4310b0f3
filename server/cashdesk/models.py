"""What a cash desk hands out and refuses. No I/O.

Cash is an asset: in the books its drawer goes *down* when cash comes in (see `server.ledger.roles`). Everything here
is in plain fen of cash, positive; only `server.cashdesk` turns the sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from cardcore.ids import AccountId, PersonId, ShiftId, StaffId, TransferId
from cardcore.money import Fen
from server.ledger.roles import TransferKind

MAX_DESK = 32
"""Characters of a desk's name."""
MAX_COUNTED_FEN = Fen(1_000_000_000)
"""No drawer holds ten million yuan."""


class DeskRefusal(StrEnum):
    """Why nothing was booked."""

    DESK_UNUSABLE = "desk_unusable"
    DESK_BUSY = "desk_busy"
    """A shift is open at this desk, or the operator has one open elsewhere."""
    SHIFT_UNKNOWN = "shift_unknown"
    SHIFT_CLOSED = "shift_closed"
    NOT_YOUR_SHIFT = "not_your_shift"
    OWN_ACCOUNT = "own_account"
    """Nobody moves cash on an account of their own."""
    COUNTS_DIFFER = "counts_differ"
    """Giver and taker counted different sums: count again together."""
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    NOTE_TOO_LONG = "note_too_long"
    REASON_MISSING = "reason_missing"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_NOT_OPEN = "account_not_open"
    ABOVE_HIGHEST = "above_highest"
    """The purse would hold more than its category may."""
    BALANCE_TOO_LOW = "balance_too_low"
    DEBT_OPEN = "debt_open"
    """The account owes: it is paid first, or claimed."""
    TILLS_SILENT = "tills_silent"
    """Tills that cannot be reached may hold meals of this account; see `late_charges`."""
    DRAWER_TOO_LOW = "drawer_too_low"
    TOPUP_UNKNOWN = "topup_unknown"
    """There is no cash top-up with this id."""
    REVERSED_BEFORE = "reversed_before"
    ALREADY_SPENT = "already_spent"
    """The holder has less than the top-up was."""
    OTHER_CONTENT = "other_content"
    """The transfer's id was used for something else."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the slip says. `repeated` when it was printed before this call."""

    number: str
    transfer: TransferId
    account: AccountId
    amount: Fen
    balance: Fen
    at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Slip:
    """A receipt as it is shown and printed later. A card's price moves no purse: it has no account and no balance."""

    number: str
    transfer: TransferId
    shift: ShiftId
    kind: TransferKind
    amount: Fen
    at: datetime
    note: str
    operator: StaffId
    operator_name: str
    account: AccountId | None
    person: PersonId | None
    holder: str
    holder_number: str
    balance: Fen | None
    taken_back: bool


@dataclass(frozen=True, slots=True)
class ShiftView:
    """A shift. What the drawer should hold is told only after it was counted."""

    id: ShiftId
    desk: str
    number: int
    operator: StaffId
    opened_at: datetime
    float_: Fen
    drawer: UUID
    is_open: bool
    receipts: int
    counted: Fen | None
    expected: Fen | None
    closed_at: datetime | None

    @property
    def difference(self) -> Fen | None:
        """Counted less expected: positive is over, negative short."""
        if self.counted is None or self.expected is None:
            return None
        return Fen(self.counted - self.expected)
