"""What enters and leaves the tap path, and the values it works on. No SQL, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from cardcore.access.items import AccountState
from cardcore.access.moments import LaneMoment
from cardcore.access.presence import Position
from cardcore.canteen.limits import Pin
from cardcore.ids import DeviceId, LaneId, PersonId, SiteId, TapKey, ZoneId
from cardcore.journal import Record
from cardcore.reasons import Reason
from cardcore.wire.messages import RecordStatus
from server.alarms.rows import AlarmRows
from server.taps.rows import ChargeInsert, RecordInsert, Row, TransferInsert

JournalKey = tuple[DeviceId, int]
"""Device and epoch."""


@dataclass(frozen=True, slots=True)
class LinkDevice:
    """A device as its link knows it: what it may report, and the key that seals its records."""

    id: DeviceId
    site: SiteId
    purposes: frozenset[str]
    places: frozenset[str]
    """Lanes and tills assigned to it; what it says about others is refused."""
    record_key: bytes
    revoked_at: datetime | None = None


class Arrival(Struct, frozen=True):
    """One frame: a live tap (one record) or an upload (records in seq order)."""

    device: LinkDevice
    epoch: int
    records: tuple[Record, ...]
    live: bool
    pin: Pin = Pin.NONE
    """What a PIN that came with a live tap proved."""


class LiveDecision(Struct, frozen=True, gc=False):
    """What a live tap is answered."""

    granted: bool
    reason: Reason | str
    policy_version: int
    amount: int = 0
    balance_after: int = 0
    meal: str = ""
    holder: str = ""
    discount: int = 0
    surcharge: int = 0
    rights: int = 0
    credit: str = ""
    subsidy: int = 0


class Receipt(Struct, frozen=True, gc=False):
    """What became of an arrival, valid only after the commit."""

    statuses: tuple[tuple[int, RecordStatus], ...]
    acked_through: int
    decision: LiveDecision | None = None
    purpose: str = ""
    """`gate` or `till` of a live tap."""


class Chained(NamedTuple):
    """Enough of a stored record to go on with its chain."""

    hash: bytes
    previous: bytes


class Head(NamedTuple):
    """A journal's locked row."""

    acked_through: int
    head_hash: bytes
    writes: int
    """Raised by every transaction that touches the journal."""


class StoredRecord(NamedTuple):
    """A record that is in the database, or was put there earlier in this batch."""

    hash: bytes
    kind: str
    purpose: str
    place: str
    credential: str
    decision: LiveDecision | None
    card_id: UUID | None = None
    person_id: UUID | None = None


class Extra(NamedTuple):
    """A transfer of a charge that is not a payer's to the stall."""

    source: UUID
    target: UUID
    amount: int
    kind: str


class ChargeRow(NamedTuple):
    """The newest charge revision of a tap; even revisions are in force."""

    id: UUID
    revision: int
    amount: int
    account_id: UUID | None
    person_id: UUID | None
    till: str
    stall: str
    meal: str
    business_day: date
    """In which the meal was eaten; it may be posted in a later one."""
    legs: tuple[tuple[UUID, int], ...]
    """(from ledger account, fen) of what payers gave the stall, less what was refunded by hand."""
    extras: tuple[Extra, ...] = ()
    """What it moved besides, less what was refunded: surcharge, discount, meal subsidy, a meal from a count purse."""
    at: datetime | None = None
    """When it was charged."""

    @property
    def in_force(self) -> bool:
        """Whether the tap is charged at this moment."""
        return self.revision % 2 == 0


@dataclass(slots=True)
class Journal:
    """One device's journal as a batch finds it and leaves it: the mark, and the records and charges at hand."""

    device: DeviceId
    epoch: int
    writes: int
    """What `device_epoch.writes` must still be when the batch is written."""
    acked_through: int
    head_hash: bytes
    above: dict[int, Chained] = field(default_factory=dict)
    """Stored or quarantined records beyond the mark."""
    stored: dict[int, StoredRecord] = field(default_factory=dict)
    charges: dict[int, ChargeRow | None] = field(default_factory=dict)
    """The newest charge of taps that were asked about or first stored; None = it has none."""
    remembered: bool = False
    """Whether everything beyond the mark is known, because this process wrote to the journal last."""

    def may_hold(self, seq: int) -> bool:
        """Tell whether the tables may hold a record of this number."""
        return not self.remembered or seq <= self.acked_through or seq in self.above


class PurseRow(Struct):
    """A locked purse. Mutable within one batch; `changed` purses are written back."""

    id: UUID
    kind: str
    balance: int
    floor: int
    changed: bool = False


class AccountRow(Struct):
    """A locked account with its purses and the meals it took on the days in question."""

    id: UUID
    person_id: UUID
    state: AccountState
    holder: str
    purses: dict[str, PurseRow]
    meals: dict[tuple[date, str], int] = {}
    meal_changes: dict[tuple[date, str], tuple[int, int]] = {}
    """(count, fen) to add."""
    spent: dict[tuple[date, str], int] = {}
    """Fen of the meals, by (business day, meal)."""
    entered: set[tuple[str, date]] = set()
    """(zone, business day) that the holder passed into; only where a till asks."""
    ordered: dict[tuple[str, date, str], int] = {}
    """Meals ordered and not collected, by (stall, business day, meal); only where a till asks."""


@dataclass(slots=True)
class SiteCrowd:
    """Where a site's people are, as far as a batch asks. Mutable within one batch."""

    positions: dict[PersonId, Position]
    inside: dict[ZoneId, int]
    """Heads in the zones that have a limit, unknown ones included."""
    unknown: dict[ZoneId, int]
    uncertain: set[ZoneId]


@dataclass(slots=True)
class Facts:
    """Everything a batch decides on, read and locked in its transaction."""

    journals: dict[JournalKey, Journal]
    accounts: dict[UUID, AccountRow]
    ledger_accounts: dict[SiteId, dict[tuple[str, str], UUID]]
    """Of each site, by (role, name)."""
    crowds: dict[SiteId, SiteCrowd] = field(default_factory=dict)
    """Of the sites where a lane's rule asks where people are."""
    moments: dict[SiteId, dict[LaneId, LaneMoment]] = field(default_factory=dict)
    """Of the sites where a lane's rule asks what happened at it just before."""

    def charge_of(self, key: TapKey) -> ChargeRow | None:
        """Return the newest charge of a tap that was asked about."""
        return self.journals[key.device, key.epoch].charges.get(key.seq)


@dataclass(slots=True)
class Writes:
    """Rows to insert, by table; written set-based in one go."""

    record: list[RecordInsert] = field(default_factory=list)
    charge: list[ChargeInsert] = field(default_factory=list)
    transfer: list[TransferInsert] = field(default_factory=list)
    ledger_account: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    finding: list[Row] = field(default_factory=list)
    record_arrival: list[Row] = field(default_factory=list)
    dish_line: list[Row] = field(default_factory=list)
    events: dict[SiteId, list[Row]] = field(default_factory=dict)
    presence: dict[PersonId, Row] = field(default_factory=dict)
    """The newest passage of each person."""
    zone_state: dict[tuple[SiteId, ZoneId], Row] = field(default_factory=dict)
    """Unknown heads to add, and since when a zone is uncertain."""
    alarms: AlarmRows = field(default_factory=AlarmRows)
    moments: dict[tuple[SiteId, LaneId], LaneMoment] = field(default_factory=dict)
