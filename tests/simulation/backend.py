"""What stands behind the server's process and outlives it: the database of one run, whichever kind it is.

Two implementations: rows in memory (tier 1) and a real PostgreSQL (tier 2). Administrators act on it directly, as
another process of the server would. Every committed change is kept in a log, in the order of the commits: the oracle
replays it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.items import AccountState, CardState, Product
from cardcore.ids import CredentialKey, SiteId
from reader_daemon.identity import Identity
from server.link.ports import Devices, Policy
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from server.taps.batcher import Processor
from tests.simulation.books import Books


@dataclass(frozen=True, slots=True)
class Holder:
    """A card holder; `account` is None for a card that buys nothing. Opening money in fen."""

    name: str
    credential: CredentialKey
    product: Product
    person: UUID
    card: UUID
    account: UUID | None
    subsidy: int
    cash: int


@dataclass(frozen=True, slots=True)
class CardSet:
    """An administrator changed a card's state."""

    credential: CredentialKey
    state: CardState


@dataclass(frozen=True, slots=True)
class MoneyAdded:
    """Somebody topped up a cash purse."""

    account: UUID
    amount: int


@dataclass(frozen=True, slots=True)
class PriceSet:
    """An administrator changed the price of a meal."""

    amount: int


@dataclass(frozen=True, slots=True)
class AccountSet:
    """An administrator changed an account's state."""

    account: UUID
    state: AccountState


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch was committed."""

    at: datetime
    arrivals: tuple[Arrival, ...]
    receipts: tuple[Receipt | None, ...]
    """None: it was committed, and the process never learned it."""


@dataclass(frozen=True, slots=True)
class DayClosed:
    """A business day was closed: nothing is posted into it any more."""

    day: date
    at: datetime


Committed = CardSet | MoneyAdded | PriceSet | AccountSet | BatchDone | DayClosed


@dataclass(slots=True)
class Trouble:
    """What is wrong with the database at the moment. Chances are per transaction."""

    stream: random.Random
    down: bool = False
    retry: float = 0.0
    """Lost a race (40001): nothing was written."""
    unknown: float = 0.0
    """The connection broke at the commit: it was written, and nobody was told."""
    met: dict[str, int] = field(default_factory=dict)
    committed: bool = False
    """Whether the tap path committed anything since this was last taken back."""

    def draws(self, kind: str) -> bool:
        """Draw whether this transaction meets that trouble."""
        chance = self.retry if kind == "retry" else self.unknown
        if not chance or self.stream.random() >= chance:
            return False
        self.met[kind] = self.met.get(kind, 0) + 1
        return True


class Backend(Protocol):
    """See the module."""

    site: SiteId
    key: Ed25519PrivateKey
    holders: tuple[Holder, ...]
    identities: dict[str, Identity]
    """By box."""
    trouble: Trouble
    log: list[Committed]

    def devices(self, system: System) -> Devices:
        """Return the register of devices for a new process."""
        ...

    def policy(self) -> Policy:
        """Return where policy is read."""
        ...

    def processor(self, system: System) -> Processor:
        """Return a tap service for a new process."""
        ...

    def process_died(self) -> None:
        """Let go of what the process held open; its open transaction is gone."""
        ...

    def log_batch(self, at: datetime, arrivals: Sequence[Arrival], receipts: Sequence[Receipt | None]) -> None:
        """Take note of a committed batch."""
        ...

    def set_card(self, holder: Holder, state: CardState) -> bool:
        """Change a card's state; tell whether it changed."""
        ...

    def top_up(self, holder: Holder, amount: int) -> None:
        """Put cash into a holder's purse."""
        ...

    def set_price(self, amount: int) -> None:
        """Change the price of lunch."""
        ...

    def set_account(self, holder: Holder, state: AccountState) -> None:
        """Freeze, close or open an account."""
        ...

    def close_day(self, day: date) -> bool:
        """Close a business day and those before it; tell whether that was possible now."""
        ...

    def books(self) -> Books:
        """Read everything that the invariants look at."""
        ...

    def back_up(self) -> None:
        """Keep a copy of everything as it is now."""
        ...

    def restore(self) -> bool:
        """Put the copy back as a restored server does: a new generation; False when there is none."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
