"""The rows that the pages' services hand out: frozen values and the few enumerations in them.

Nothing here decides or formats. Card numbers are masked. Instants are aware UTC, money is fen, texts are as people
entered them; the words for each enumeration's values are in the catalogues of `admin_web`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from cardcore.access.items import Product
from cardcore.ids import CardId, ChargeId, DeviceId, PersonId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.reports.paging import Page


class CardStatus(StrEnum):
    """What a card's holder would say of it; `ISSUED` is the usable one."""

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


@dataclass(frozen=True, slots=True)
class CardRow:
    """One card in a list."""

    id: CardId
    number_masked: str
    product: Product
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
    has_photo: bool = False


class PersonDeed(StrEnum):
    """What was done to a person's entry, as the audit log names it."""

    CREATED = "person_created"
    CHANGED = "person_changed"
    STATE_SET = "person_state_set"
    LEFT = "person_left"
    LEVELS_SET = "levels_set"
    PHOTO_SET = "person_photo_set"
    PHOTO_DROPPED = "person_photo_dropped"
    VALIDITY_SET = "person_validity_set"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PersonRight:
    """An access level of a person; a privileged one takes two people to give."""

    name: str
    is_privileged: bool


@dataclass(frozen=True, slots=True)
class PersonHistoryRow:
    """One change of a person's entry; `actor` None is the system."""

    at: datetime
    deed: PersonDeed
    actor: str | None


@dataclass(frozen=True, slots=True)
class PersonView:
    """One person in full; movements are not here, they need a stated purpose (security T28)."""

    person: PersonRow
    cards: tuple[CardRow, ...]
    purses: tuple[PurseRow, ...]
    rights: tuple[PersonRight, ...] = ()
    history: tuple[PersonHistoryRow, ...] = ()


class ChargeState(StrEnum):
    """Whether a charge stands."""

    AUTHORISED = "authorised"
    """Granted, the meal not yet confirmed."""
    POSTED = "posted"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One tap's charge as it stands now."""

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
class ReaderRow:
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
    readers: tuple[ReaderRow, ...]


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
    offline: int
    """Decided by a device alone."""
    charges: int
    charged: Fen
    hours: tuple[HourFigures, ...]
    refusals: Mapping[Reason, int]
