"""Orders about the keys of OSDP readers: install mode, a new key, another reader in the place of one.

The box draws and keeps the keys; the server says who wanted what, and learns how it ended. Install mode takes two
people (`server.devices.approved`); the other two are one person's. An order lives one second, as all commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import DeviceId, SiteId
from cardcore.wire.messages import CommandKind
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.devices import order_repository, repository
from server.devices.models import DeviceStatus
from server.lanes.service import NO_ANSWER_AFTER, ORDER_TOPIC
from server.outbox import repository as outbox
from server.system import System

MAX_MINUTES = 10
"""The longest install mode (OSDP sheet, policy 4)."""
MAX_REASON = 200
MAX_ORDERS = 20
FRESH_FOR = timedelta(minutes=15)
"""How long a page says how an order ended."""


class KeyDeed(StrEnum):
    """What is ordered; the values are those of `CommandKind`."""

    INSTALL = CommandKind.INSTALL_READER_KEY.value
    ROLL = CommandKind.ROLL_READER_KEY.value
    CONFIRM = CommandKind.CONFIRM_READER.value


class KeyRefusal(StrEnum):
    """Why an order is not given; nothing was changed."""

    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_READER = "unknown_reader"
    """The box has no OSDP reader of that name."""
    NOT_CONNECTED = "not_connected"
    REASON_MISSING = "reason_missing"
    MINUTES = "minutes_out_of_range"
    NO_KEY_YET = "no_key_yet"
    """Rolling needs a key that works: install mode gives the first."""
    KEY_ON_ITS_WAY = "key_on_its_way"


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """One order as it stands; `result` is waiting or no_answer until the box has answered."""

    id: UUID
    reader: str
    kind: KeyDeed
    minutes: int
    actor: str
    reason: str
    given_at: datetime
    result: str
    detail: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be ordered. `minutes` is 1 to MAX_MINUTES for install mode, else 0."""

    device: DeviceId
    reader: str
    kind: KeyDeed
    reason: str
    minutes: int = 0


def refusal_of(
    session: ReadSession | WriteSession, system: System, site_id: SiteId, wanted: Wanted
) -> KeyRefusal | None:
    """Say why an order could not be given now."""
    if not 0 < len(wanted.reason.strip()) <= MAX_REASON:
        return KeyRefusal.REASON_MISSING
    if wanted.minutes not in (range(1, MAX_MINUTES + 1) if wanted.kind is KeyDeed.INSTALL else range(1)):
        return KeyRefusal.MINUTES
    device = _device(session, system, site_id, wanted.device)
    if device is None:
        return KeyRefusal.UNKNOWN_DEVICE
    state = key_state(device, wanted.reader)
    if not state:
        return KeyRefusal.UNKNOWN_READER
    if not device.is_connected:
        return KeyRefusal.NOT_CONNECTED
    if wanted.kind is KeyDeed.ROLL and state == "none":
        return KeyRefusal.NO_KEY_YET
    if wanted.kind is KeyDeed.ROLL and state in {"rolling", "installing"}:
        return KeyRefusal.KEY_ON_ITS_WAY
    return None


def give(session: WriteSession, system: System, site_id: SiteId, wanted: Wanted, actor: str) -> UUID | KeyRefusal:
    """Give an order that may be given; it is kept and in the audit log before the box hears of it."""
    refusal = refusal_of(session, system, site_id, wanted)
    if refusal is not None:
        return refusal
    order_id, now = system.ids.uuid7(), system.clock.now()
    row = {
        "id": order_id,
        "site_id": site_id,
        "device_id": wanted.device,
        "reader": wanted.reader,
        "kind": wanted.kind.value,
        "minutes": wanted.minutes,
        "actor": actor,
        "reason": wanted.reason,
        "given_at": now,
    }
    order_repository.insert(session, row)
    after = {"reader": wanted.reader, "minutes": wanted.minutes, "order": str(order_id)}
    subject = f"device:{wanted.device}"
    record(session, system, site_id, Deed(actor, wanted.kind.value, subject, None, after, wanted.reason))
    told = {
        "order": str(order_id),
        "device": str(wanted.device),
        "kind": wanted.kind.value,
        "place": wanted.reader,
        "minutes": str(wanted.minutes),
        "actor": actor,
        "reason": wanted.reason,
        "given_at": now.isoformat(),
    }
    outbox.append(session, system, site_id, ORDER_TOPIC, told)
    return order_id


def newest(session: ReadSession, system: System, site_id: SiteId, device: DeviceId) -> list[KeyOrder]:
    """Return the newest orders about a device's readers, newest first."""
    now = system.clock.now()
    return [_order(row, now) for row in order_repository.newest(session, site_id, device, MAX_ORDERS)]


def key_state(device: DeviceStatus, reader: str) -> str:
    """Return how a reader's key stands as its box last told; empty for no such reader, or one without a key to have."""
    rows = [row for row in device.health.get("readers", ()) if row.get("name") == reader]
    return str(rows[0].get("key", "")) if rows else ""


def _device(
    session: ReadSession | WriteSession, system: System, site_id: SiteId, wanted: DeviceId
) -> DeviceStatus | None:
    rows = repository.statuses(session, site_id, system.clock.now())
    return next((row for row in rows if row.id == wanted), None)


def _order(row: RowMapping, now: datetime) -> KeyOrder:
    waits = "waiting" if now - row["given_at"] < NO_ANSWER_AFTER else "no_answer"
    return KeyOrder(
        row["id"],
        row["reader"],
        KeyDeed(row["kind"]),
        row["minutes"],
        row["actor"],
        row["reason"],
        row["given_at"],
        row["result"] or waits,
        row["detail"],
    )
