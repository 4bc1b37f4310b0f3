"""Holding a lane open or locked for a time, opening one once from afar, and how every lane stands (A58).

A hold is policy: it reaches every box like any change, and ends by itself at its hour, without a link too. An opening
is an order: kept with name and reason first, sent within a second by whichever process has the box's link
(`server.lanes.orders`), never repeated, never queued across a reconnect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from cardcore.access.items import LaneMode
from cardcore.access.moments import QUIET, HostPassage, LaneMoment, lane_mode
from cardcore.access.snapshot import Snapshot
from cardcore.ids import DeviceId, LaneId, SiteId, ZoneId
from server.audit.service import SYSTEM_ACTOR, Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.devices.models import SILENT_AFTER
from server.lanes import repository
from server.outbox import repository as outbox
from server.policy import service as policy
from server.system import System

MAX_HOLD = timedelta(hours=24)
MAX_ORDERS = 200
ORDER_TOPIC = "lane_orders"
NO_ANSWER_AFTER = timedelta(seconds=3)
"""An order that has not ended by then had no answer."""


class LaneRefusal(StrEnum):
    """Why nothing was done."""

    UNKNOWN_LANE = "unknown_lane"
    REASON_MISSING = "reason_missing"
    """Who opens or holds a lane says why, in 1 to `MAX_REASON` characters."""
    TOO_LONG = "too_long"
    """A hold ends in the future, at most `MAX_HOLD` ahead."""
    NOT_HELD = "not_held"
    NO_DEVICE = "no_device"
    """No box has charge of the lane."""
    NOT_CONNECTED = "not_connected"


@dataclass(frozen=True, slots=True)
class LaneView:
    """How a lane stands now. Instants are aware UTC."""

    id: LaneId
    name_en: str
    name_zh: str
    reader: str
    from_zone: ZoneId
    to_zone: ZoneId
    mode: LaneMode
    """As it is set."""
    mode_now: LaneMode
    """After holds and hours."""
    held: LaneMode | None
    held_until: datetime | None
    device: str
    """The box's name; empty = none."""
    connected: bool
    interlock: str
    moment: LaneMoment


@dataclass(frozen=True, slots=True)
class Order:
    """An opening from afar and what became of it."""

    id: UUID
    lane: LaneId
    actor: str
    reason: str
    given_at: datetime
    result: str
    """`waiting`, `no_answer`, or as the box said: done / refused / expired / unknown."""
    detail: str


def lanes(session: ReadSession, system: System, site_id: SiteId) -> list[LaneView]:
    """Return every lane as it stands now, by id."""
    snapshot = policy.rules_snapshot(session, site_id, ())
    now = system.clock.now()
    moments = moments_of(session, site_id)
    return [
        _view(row, snapshot, moments.get(LaneId(row["id"]), QUIET), now) for row in repository.views(session, site_id)
    ]


def moments_of(session: ReadSession, site_id: SiteId) -> dict[LaneId, LaneMoment]:
    """Return what the site's lanes remember."""
    rows = repository.moments(session, site_id)
    return {
        LaneId(row["lane_id"]): LaneMoment(
            **{name: row[name] for name in LaneMoment._fields if name != "hosts"},
            hosts=msgspec.convert(row["hosts"], tuple[HostPassage, ...]),
        )
        for row in rows
    }


def hold(
    session: WriteSession, system: System, site_id: SiteId, actor: str, lane_id: LaneId,
    wanted: tuple[LaneMode, datetime, str],
) -> LaneRefusal | None:  # fmt: skip
    """Hold a lane in a mode until an instant; `wanted` is mode, end and reason. A hold replaces the one before."""
    mode, until, reason = wanted
    now = system.clock.now()
    if not is_reason(reason):
        return LaneRefusal.REASON_MISSING
    if not now < until <= now + MAX_HOLD:
        return LaneRefusal.TOO_LONG
    row = repository.lock_lane(session, site_id, lane_id)
    if row is None:
        return LaneRefusal.UNKNOWN_LANE
    repository.set_held(session, site_id, lane_id, mode, until)
    after = {"held": mode, "until": until.isoformat()}
    record(session, system, site_id, Deed(actor, "lane_held", f"lane:{lane_id}", _held(row), after, reason))
    policy.refresh(session, system, site_id, {"lane"})
    return None


def release(
    session: WriteSession, system: System, site_id: SiteId, actor: str, lane_id: LaneId, reason: str
) -> LaneRefusal | None:
    """Let a lane go on as it is set."""
    if not is_reason(reason):
        return LaneRefusal.REASON_MISSING
    row = repository.lock_lane(session, site_id, lane_id)
    if row is None:
        return LaneRefusal.UNKNOWN_LANE
    if row["held"] is None:
        return LaneRefusal.NOT_HELD
    repository.set_held(session, site_id, lane_id, None, None)
    record(session, system, site_id, Deed(actor, "lane_released", f"lane:{lane_id}", _held(row), None, reason))
    policy.refresh(session, system, site_id, {"lane"})
    return None


def end_due(session: WriteSession, system: System, site_id: SiteId) -> list[LaneId]:
    """Forget holds whose hour has come; the boxes ended them by themselves."""
    over = repository.holds_over(session, site_id, system.clock.now())
    for row in over:
        repository.set_held(session, site_id, row["id"], None, None)
        deed = Deed(SYSTEM_ACTOR, "lane_released", f"lane:{row['id']}", _held(row), None, "its hour has come")
        record(session, system, site_id, deed)
    if over:
        policy.refresh(session, system, site_id, {"lane"})
    return [LaneId(row["id"]) for row in over]


def order_open(
    session: WriteSession, system: System, site_id: SiteId, actor: str, lane_id: LaneId, reason: str
) -> Order | LaneRefusal:
    """Order one opening of a lane, kept with name and reason; look for its end with `order`."""
    if not is_reason(reason):
        return LaneRefusal.REASON_MISSING
    row = next((row for row in repository.views(session, site_id) if row["id"] == lane_id), None)
    if row is None:
        return LaneRefusal.UNKNOWN_LANE
    if row["device_id"] is None:
        return LaneRefusal.NO_DEVICE
    if not _is_connected(row, system.clock.now()):
        return LaneRefusal.NOT_CONNECTED
    order_id, now, device = system.ids.uuid7(), system.clock.now(), DeviceId(row["device_id"])
    kept = {"id": order_id, "lane_id": lane_id, "device_id": device, "actor": actor, "reason": reason}
    repository.insert_order(session, {**kept, "site_id": site_id, "given_at": now})
    record(
        session, system, site_id, Deed(actor, "lane_opened", f"lane:{lane_id}", None, {"order": str(order_id)}, reason)
    )
    told = {"order": str(order_id), "device": str(device), "lane": lane_id, "actor": actor, "reason": reason}
    outbox.append(session, system, site_id, ORDER_TOPIC, {**told, "given_at": now.isoformat()})
    return Order(order_id, lane_id, actor, reason, now, "waiting", "")


def order(session: ReadSession, system: System, site_id: SiteId, order_id: UUID) -> Order | None:
    """Return an order as it stands now."""
    rows = repository.orders(session, site_id, order_id, 1)
    return _order(rows[0], system.clock.now()) if rows else None


def orders(session: ReadSession, system: System, site_id: SiteId, limit: int = 50) -> list[Order]:
    """Return the newest orders, newest first."""
    now = system.clock.now()
    return [_order(row, now) for row in repository.orders(session, site_id, None, min(max(1, limit), MAX_ORDERS))]


def _order(row: RowMapping, now: datetime) -> Order:
    waits = "waiting" if now - row["given_at"] < NO_ANSWER_AFTER else "no_answer"
    return Order(
        row["id"],
        LaneId(row["lane_id"]),
        row["actor"],
        row["reason"],
        row["given_at"],
        row["result"] or waits,
        row["detail"],
    )


def _view(row: RowMapping, snapshot: Snapshot, moment: LaneMoment, now: datetime) -> LaneView:
    item = snapshot.lane(row["id"])
    assert item is not None, "built from the same rows"
    held = item.held if item.held is not None and row["held_until"] > now else None
    return LaneView(
        id=LaneId(row["id"]),
        name_en=row["name_en"],
        name_zh=row["name_zh"],
        reader=row["reader"],
        from_zone=item.from_zone,
        to_zone=item.to_zone,
        mode=item.mode,
        mode_now=lane_mode(item, snapshot, moment, now),
        held=held,
        held_until=row["held_until"] if held is not None else None,
        device=row["device_name"] or "",
        connected=_is_connected(row, now),
        interlock=item.interlock,
        moment=moment,
    )


def _is_connected(row: RowMapping, now: datetime) -> bool:
    return bool(row["connected"]) and row["last_seen_at"] is not None and now - row["last_seen_at"] <= SILENT_AFTER


def _held(row: RowMapping) -> dict[str, str] | None:
    return {"held": row["held"], "until": row["held_until"].isoformat()} if row["held"] is not None else None
