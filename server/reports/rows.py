"""What reports hand to the pages: frozen values. Words and shapes are those that `admin_web` asks for.

Card numbers are masked. Instants are aware UTC, money is fen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from cardcore.ids import CardId, ChargeId, PersonId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.reports.paging import Page


class CardProduct(StrEnum):
    """What a card was sold as."""

    COMBINED = "combined"
    GATE_ONLY = "gate_only"
    CANTEEN_ONLY = "canteen_only"
    VISITOR = "visitor"
    CONTRACTOR = "contractor"


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
    """One change of a card's state; without an actor it was the system."""

    at: datetime
    status: CardStatus
    actor: str | None


@dataclass(frozen=True, slots=True)
class CardView:
    """One card in full; history newest first."""

    card: CardRow
    schemes: tuple[str, ...]
    history: tuple[CardHistoryRow, ...]


class PurseKind(StrEnum):
    """Kinds of purse."""

    SUBSIDY = "subsidy"
    CASH = "cash"
    COUNT = "count"
    DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class PurseRow:
    """One purse and what it holds."""

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
    """One person in full, without movements."""

    person: PersonRow
    cards: tuple[CardRow, ...]
    purses: tuple[PurseRow, ...]


class ChargeState(StrEnum):
    """Whether a charge stands; `AUTHORISED` waits for the meal to be confirmed."""

    AUTHORISED = "authorised"
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


class ChargeFilter(Protocol):
    """Which charges: of one business day, and of one till or person if given."""

    @property
    def day(self) -> date:
        """The business day."""
        ...

    @property
    def till_id(self) -> TillId | None:
        """One till, or all."""
        ...

    @property
    def person_id(self) -> PersonId | None:
        """One person, or all."""
        ...


@dataclass(frozen=True, slots=True)
class ChargesFound:
    """A page of charges, and the sum in force over all its pages."""

    page: Page[ChargeRow]
    sum_in_force: Fen


@dataclass(frozen=True, slots=True)
class HourFigures:
    """Taps decided in one local hour."""

    hour: int
    granted: int
    refused: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """Counts of one business day; `offline` taps were decided by a device alone."""

    taps: int
    passages: int
    refused: int
    offline: int
    charges: int
    charged: Fen
    hours: tuple[HourFigures, ...]
    refusals: Mapping[Reason, int]
