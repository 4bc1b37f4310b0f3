"""What an online payment is, what a provider may say of it, and how each thing can be refused. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from cardcore.ids import AccountId
from cardcore.money import Fen

ORDER_LIFE = timedelta(minutes=30)
"""An order nobody paid in this time is expired; money that comes later is still taken."""
POLL_AFTER = timedelta(seconds=60)
"""How long a callback may be on its way before the provider is asked."""
POLL_FOR = timedelta(days=3)
"""How long an expired order is still asked about: a payment may be confirmed late."""
MAX_PENDING = 5
"""Orders of one account that may wait at a time."""
MAX_POLLED = 100
"""Orders asked about in one run."""
CALLBACK_AGE = timedelta(minutes=5)
"""A signed callback is believed no longer than this, to the past and to the future."""
MAX_CALLBACK_BYTES = 8_192


class OrderState(StrEnum):
    """How an order stands."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    """The provider has the money, the purse has it not: the account was closed. Finance pays it back."""
    BOOKED = "booked"
    EXPIRED = "expired"


class PaymentRefusal(StrEnum):
    """Why an order is not made."""

    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_NOT_OPEN = "account_not_open"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    ABOVE_HIGHEST = "above_highest"
    TOO_MANY_PENDING = "too_many_pending"
    UNKNOWN_PROVIDER = "unknown_provider"
    OTHER_CONTENT = "other_content"
    """The order's id was used for something else."""


class Verdict(StrEnum):
    """What became of a callback or of a provider's answer."""

    BOOKED = "booked"
    CONFIRMED_ONLY = "confirmed_only"
    KNOWN_BEFORE = "known_before"
    """The order was booked, or this very callback was taken."""
    NOT_PAID = "not_paid"
    UNKNOWN_ORDER = "unknown_order"
    AMOUNT_DIFFERS = "amount_differs"
    FORGED = "forged"
    STALE = "stale"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to make. `id` is drawn by whoever asks, so that asking twice makes one."""

    id: UUID
    account: AccountId
    amount: Fen
    provider: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands; `number` is what the provider knows it by."""

    id: UUID
    number: str
    account: AccountId
    amount: Fen
    provider: str
    state: OrderState
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """What a provider says of an order, its signature checked. `nonce` is empty in an answer to a poll."""

    number: str
    paid: bool
    amount: Fen
    reference: str
    """The provider's own number, as its statement has it."""
    nonce: str = ""


class Provider(Protocol):
    """A payment provider. Network calls raise ProviderUnavailableError; nothing is believed without its signature."""

    name: str

    def open(self, order: Order) -> str:
        """Tell the provider of an order; return the address where the holder pays."""
        ...

    def query(self, number: str) -> Payment | None:
        """Ask what became of an order; None when the provider does not know it."""
        ...

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Payment | Verdict:
        """Check a callback's signature and age and read it; `headers` have lower-case names."""
        ...


class ProviderUnavailableError(Exception):
    """The provider could not be asked, or what came back was not signed by it; try again later."""
