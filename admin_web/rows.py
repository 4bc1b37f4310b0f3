"""The rows that services hand to the pages: frozen values and the few enumerations in them.

Nothing here decides or formats. Card numbers arrive masked. Instants are aware UTC, money is fen, texts are as people
entered them; each enumeration's values have their words in the catalogues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from cardcore.ids import CardId, ChargeId, DeviceId, PersonId, StaffId, TillId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from cardcore.reasons import Reason

Row = TypeVar("Row")

PAGE_ROWS = 50
"""Rows of one result page."""
LIVE_RECENT_ROWS = 100
"""Rows the live monitor holds; older ones fall off."""


class Permission(StrEnum):
    """What a page or button asks of a member of staff. The services check again: this only hides and refuses early."""

    OVERVIEW_READ = "overview_read"
    LIVE_READ = "live_read"
    PEOPLE_READ = "people_read"
    CARDS_READ = "cards_read"
    CARDS_BLOCK = "cards_block"
    CARDS_REPORT_LOST = "cards_report_lost"
    """Blocks a card as lost and for no other reason."""
    CARDS_UNBLOCK = "cards_unblock"
    CHARGES_READ = "charges_read"
    DEVICES_READ = "devices_read"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a result, at most `PAGE_ROWS` rows."""

    rows: tuple[Row, ...]
    number: int
    """Counts from 1."""
    has_next: bool
    total: int | None
    """Rows in all pages; None where counting would cost too much."""


@dataclass(frozen=True, slots=True)
class StaffView:
    """A member of staff, signed in."""

    id: StaffId
    login: str
    name: str
    permissions: frozenset[Permission]


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session in force."""

    staff: StaffView
    opened_at: datetime


class SignInOutcome(StrEnum):
    """How a try to sign in ended. `REFUSED` covers unknown, wrong and disabled alike: the texts must not tell."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class SignInResult:
    """The outcome, with the member of staff if accepted, or the seconds to wait if throttled."""

    outcome: SignInOutcome
    staff: StaffView | None = None
    retry_after_s: int = 0


class CardProduct(StrEnum):
    """What a card was sold as."""

    COMBINED = "combined"
    GATE_ONLY = "gate_only"
    CANTEEN_ONLY = "canteen_only"
    VISITOR = "visitor"
    CONTRACTOR = "contractor"


class CardStatus(StrEnum):
    """The state of a card, as its reason in `cardcore.reasons` without the prefix; `ISSUED` is the usable one."""

    NOT_ISSUED = "not_issued"
    ISSUED = "issued"
    SUSPENDED = "suspended"
    LOST = "lost"
    DAMAGED = "damaged"
    RETURNED = "returned"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class BlockReason(StrEnum):
    """Why a card is blocked; all can be undone by `unblock`."""

    LOST = "lost"
    SUSPENDED = "suspended"
    DAMAGED = "damaged"


class CardChange(StrEnum):
    """How a change of a card ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    AWAITS_APPROVAL = "awaits_approval"
    """A second person has to approve it first."""


@dataclass(frozen=True, slots=True)
class CardRow:
    """One card in a list."""

    id: CardId
    number_masked: str
    product: CardProduct
    status: CardStatus
    person_id: PersonId | None
    person_name: str | None
    department: str | None
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class CardHistoryRow:
    """One change of a card's state."""

    at: datetime
    status: CardStatus
    actor: str | None
    """Who did it; None for the system."""


@dataclass(frozen=True, slots=True)
class CardView:
    """One card in full."""

    card: CardRow
    schemes: tuple[str, ...]
    """Credential schemes on it: `pkoc`, `uid`, `wiegand`, `qr`."""
    history: tuple[CardHistoryRow, ...]
    """Newest first, at most `PAGE_ROWS`."""


class PurseKind(StrEnum):
    """Kinds of purse. `COUNT` holds meals, the others fen."""

    SUBSIDY = "subsidy"
    CASH = "cash"
    COUNT = "count"
    DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class PurseRow:
    """One purse of an account: its balance in fen, or in meals for `PurseKind.COUNT`."""

    kind: PurseKind
    balance: int


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person in a list."""

    id: PersonId
    name: str
    number: str
    department: str
    category: str
    is_active: bool
    card_count: int


@dataclass(frozen=True, slots=True)
class PersonView:
    """One person in full; movements are not here, they need a stated purpose (security T28)."""

    person: PersonRow
    cards: tuple[CardRow, ...]
    purses: tuple[PurseRow, ...]


class ChargeState(StrEnum):
    """Whether a charge stands."""

    AUTHORISED = "authorised"
    """Granted, the meal not yet confirmed."""
    POSTED = "posted"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One charge."""

    id: ChargeId
    at: datetime
    business_day: date
    till: str
    stall: str
    meal: str
    person_id: PersonId | None
    person_name: str | None
    card_masked: str
    amount: Fen
    state: ChargeState
    is_offline: bool
    """Decided by the till's daemon while the server was away."""


@dataclass(frozen=True, slots=True)
class ChargeFilter:
    """Which charges: of one business day, and of one till or person if given."""

    day: date
    till_id: TillId | None = None
    person_id: PersonId | None = None


@dataclass(frozen=True, slots=True)
class ChargesFound:
    """A page of charges, and the sum in force over all its pages."""

    page: Page[ChargeRow]
    sum_in_force: Fen


@dataclass(frozen=True, slots=True)
class ReaderHealth:
    """One reader of a device."""

    name: str
    place: str
    """Its lane or till."""
    is_online: bool
    is_secure: bool | None
    """Whether the line is encrypted; None where the line has no such thing (PC/SC)."""
    last_valid_reply: datetime | None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One daemon and its health."""

    id: DeviceId
    name: str
    is_online: bool
    last_seen: datetime | None
    snapshot_version: int | None
    newest_snapshot_version: int
    queue_length: int
    """Journal records not yet acknowledged by the server."""
    readers: tuple[ReaderHealth, ...]


class Direction(StrEnum):
    """Which way a lane leads."""

    IN = "in"
    OUT = "out"


class PlaceName(NamedTuple):
    """A lane or till as people call it, in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One tap as the live monitor shows it. A later event of the same `tap_id` replaces the row (its outcome came)."""

    id: int
    """Position in the feed: grows with every event, in the order of delivery. The resume point of SSE."""
    tap_id: UUID
    at: datetime
    reason: Reason
    place: PlaceName
    direction: Direction | None
    """None at a till."""
    person_name: str | None
    department: str | None
    card_masked: str | None
    amount: Fen | None
    """What a till charged."""
    is_offline: bool
    outcome: OutcomeKind | None


@dataclass(frozen=True, slots=True)
class HourFigures:
    """Taps decided in one local hour."""

    hour: int
    granted: int
    refused: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """Counts of one business day."""

    taps: int
    passages: int
    refused: int
    charges: int
    charged: Fen
    hours: tuple[HourFigures, ...]
    refusals: Mapping[Reason, int]
