"""The server's tables as the invariants read them, whichever database they come from. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

Key = tuple[UUID, int, int]
"""Device, epoch, seq."""


class TransferRow(NamedTuple):
    """One movement of money."""

    kind: str
    source: UUID
    target: UUID
    amount: int
    source_balance: int | None
    charge: UUID | None
    business_day: date
    posted_at: datetime


class ChargeRow(NamedTuple):
    """One revision of a tap's charge; even revisions charge, odd ones reverse."""

    id: UUID
    key: Key
    revision: int
    reverses: UUID | None
    account: UUID | None
    amount: int
    offline: bool
    flag: str


class RecordRow(NamedTuple):
    """One stored record."""

    key: Key
    kind: str
    tap_seq: int | None
    purpose: str
    granted: bool | None
    outcome: str | None
    amount: int
    hash: bytes
    previous: bytes
    body: bytes
    mac: bytes


class QuarantineRow(NamedTuple):
    """One record set aside for a person."""

    key: Key
    why: str
    hash: bytes


class MarkRow(NamedTuple):
    """How far a journal is stored."""

    device: UUID
    epoch: int
    acked_through: int
    closed: bool


class PurseRow(NamedTuple):
    """A purse."""

    id: UUID
    account: UUID
    kind: str
    balance: int
    floor: int


@dataclass(slots=True)
class Books:
    """Everything of one site."""

    purses: list[PurseRow] = field(default_factory=list)
    transfers: list[TransferRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
    records: list[RecordRow] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    findings: list[tuple[str, str]] = field(default_factory=list)
    """Kind and subject."""
    marks: list[MarkRow] = field(default_factory=list)
    ledger_accounts: set[UUID] = field(default_factory=set)
    positions: dict[UUID, str] = field(default_factory=dict)
    """The zone in which each person is taken to be."""
