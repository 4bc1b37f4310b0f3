"""Tier 1's tables: the rows that the tap path, the link and administrators touch, in plain Python. No rules here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from cardcore.access.item_key import item_key
from cardcore.access.items import AccountState, CardItem, Item
from cardcore.access.moments import LaneMoment
from cardcore.access.presence import Position
from cardcore.access.snapshot import encode_item, item_digest
from cardcore.ids import DeviceId, LaneId, PersonId, TapKey, ZoneId
from server.taps.rows import ChargeInsert, RecordInsert, TransferInsert

MODULUS = 2**256


@dataclass(slots=True)
class HeadRow:
    """A row of `device_epoch`."""

    acked_through: int
    head_hash: bytes
    writes: int
    opened_at: datetime
    closed: bool = False


@dataclass(slots=True)
class AccountData:
    """A row of `account`, with its holder's name."""

    person: UUID
    name: str
    state: AccountState = AccountState.OPEN


@dataclass(slots=True)
class PurseData:
    """A row of `purse`."""

    account: UUID
    kind: str
    balance: int
    floor: int = 0


@dataclass(slots=True)
class DeviceData:
    """A row of `device`, with the places assigned to it."""

    name: str
    places: frozenset[str]
    public_key: bytes
    record_key: bytes


@dataclass(slots=True)
class Tables:
    """Everything. Copied whole for a backup."""

    generation: str
    heads: dict[tuple[DeviceId, int], HeadRow] = field(default_factory=dict)
    records: dict[TapKey, RecordInsert] = field(default_factory=dict)
    charges: dict[TapKey, list[ChargeInsert]] = field(default_factory=dict)
    transfers: list[TransferInsert] = field(default_factory=list)
    transfers_of: dict[UUID, list[TransferInsert]] = field(default_factory=dict)
    """By charge."""
    arrivals: int = 0
    quarantine: dict[tuple[TapKey, bytes], tuple[str, bytes]] = field(default_factory=dict)
    """Why, and the hash before it."""
    findings: list[tuple[str, str]] = field(default_factory=list)
    presence: dict[PersonId, Position] = field(default_factory=dict)
    unknown_heads: dict[ZoneId, int] = field(default_factory=dict)
    uncertain_zones: set[ZoneId] = field(default_factory=set)
    moments: dict[LaneId, LaneMoment] = field(default_factory=dict)
    ledger_accounts: dict[tuple[str, str], UUID] = field(default_factory=dict)
    """By role and name."""
    accounts: dict[UUID, AccountData] = field(default_factory=dict)
    purses: dict[UUID, PurseData] = field(default_factory=dict)
    meals: dict[tuple[UUID, date, str], tuple[int, int]] = field(default_factory=dict)
    """Count and fen, by account, day and meal."""
    devices: dict[DeviceId, DeviceData] = field(default_factory=dict)
    cards: dict[str, CardItem] = field(default_factory=dict)
    """By credential."""
    closed_through: date | None = None
    """The last business day that takes no postings any more."""
    policy_version: int = 0
    policy_total: int = 0
    policy: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Version and body, by key."""

    def publish(self, *items: Item) -> None:
        """Write items as the next policy version, where anything differs."""
        bodies = {item_key(item): encode_item(item) for item in items}
        changed = {key: body for key, body in bodies.items() if self.policy.get(key, (0, b""))[1] != body}
        if not changed:
            return
        self.policy_version += 1
        for key, body in changed.items():
            if key in self.policy:
                self.policy_total -= item_digest(key, self.policy[key][1])
            self.policy_total += item_digest(key, body)
            self.policy[key] = (self.policy_version, body)

    def jump_policy(self, version: int) -> None:
        """Raise the policy and all its items to a version above any that a device knows, as a restore must."""
        self.policy_version = version
        self.policy = {key: (version, body) for key, (_, body) in self.policy.items()}

    @property
    def content_hash(self) -> bytes:
        """The hash of the whole policy."""
        return (self.policy_total % MODULUS).to_bytes(32, "big")
