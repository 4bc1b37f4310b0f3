"""The rows a batch writes and the events that pages hear. No rules here.

The rows of the hot tables are named tuples whose fields are the columns, in the order of the database's types
`record_row`, `charge_row` and `transfer_row`; rows that are rare are maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from cardcore.ids import SiteId, TapKey
from cardcore.journal import Body, Decided, DeviceEvent, Intent, Line, Outcome, Record

if TYPE_CHECKING:
    from server.taps.arrivals import StoredRecord
    from server.taps.ledger_sheet import Meal

Row = dict[str, object]


class RecordInsert(NamedTuple):
    """A row of `record`."""

    device_id: UUID
    epoch: int
    seq: int
    site_id: UUID
    kind: str
    tap_seq: int | None
    purpose: str | None
    place: str
    credential: str | None
    card_id: UUID | None
    person_id: UUID | None
    granted: bool | None
    reason: str | None
    live: bool
    offline: bool | None
    outcome: str | None
    amount_fen: int
    balance_fen: int | None
    meal_id: str
    policy_version: int
    at: datetime
    received_at: datetime
    hash: bytes
    previous: bytes
    mac: bytes
    body: bytes


class ChargeInsert(NamedTuple):
    """A row of `charge`."""

    id: UUID
    site_id: UUID
    device_id: UUID
    epoch: int
    seq: int
    revision: int
    reverses: UUID | None
    account_id: UUID | None
    person_id: UUID | None
    till_id: str
    stall_id: str
    meal_id: str
    business_day: date
    amount_fen: int
    offline: bool
    flag: str
    at: datetime
    posted_at: datetime
    event_day: date | None
    """The day in which it was eaten, where that one was closed and it is posted in another."""


class TransferInsert(NamedTuple):
    """A row of `transfer`."""

    id: UUID
    site_id: UUID
    kind: str
    from_account: UUID
    to_account: UUID
    amount_fen: int
    from_balance_fen: int | None
    to_balance_fen: int | None
    charge_id: UUID | None
    business_day: date
    at: datetime
    posted_at: datetime
    actor: str
    note: str


def record_row(
    key: TapKey,
    site: SiteId,
    record: Record,
    body: Body,
    stored: StoredRecord,
    *,
    live: bool,
    at: datetime,
    now: datetime,
) -> RecordInsert:
    """Return the row of `record`, which happened `at` and was received `now`."""
    device, epoch, seq = key
    kind, purpose, place, credential = stored.kind, stored.purpose or None, stored.place, stored.credential or None
    match body:
        case Outcome() | Decided():
            verdict = body.verdict
            return RecordInsert(
                device, epoch, seq, site, kind, body.tap_seq, purpose, place, credential,
                stored.card_id, stored.person_id, verdict.granted, verdict.reason, live, verdict.offline,
                body.outcome if kind == "outcome" else None,  # type: ignore[union-attr]
                verdict.amount, None, verdict.meal, verdict.policy_version,
                at, now, record.hash, record.previous, record.mac, record.body,
            )  # fmt: skip
        case DeviceEvent():
            return RecordInsert(
                device, epoch, seq, site, kind, None, purpose, place, credential,
                stored.card_id, stored.person_id, None, body.event, live, None, None, 0, None, "", 0,
                at, now, record.hash, record.previous, record.mac, record.body,
            )  # fmt: skip
        case Intent():
            decision = stored.decision
            assert decision is not None
            return RecordInsert(
                device, epoch, seq, site, kind, None, purpose, place, credential,
                stored.card_id, stored.person_id, decision.granted, decision.reason, live, None, None,
                decision.amount, decision.balance_after, decision.meal, decision.policy_version,
                at, now, record.hash, record.previous, record.mac, record.body,
            )  # fmt: skip


def event_row(key: TapKey, body: Body, stored: StoredRecord, at: datetime, *, late: bool) -> Row:
    """Return what pages hear of a record: no name and no full card number; nothing that is empty."""
    event: Row = {
        "kind": stored.kind,
        "device": key.device,
        "epoch": str(key.epoch),
        "tap_seq": key.seq,
        "place": stored.place,
        "at": at,
    }
    if stored.credential:
        event["credential"] = stored.credential[-4:]
    if stored.person_id is not None:
        event["person"] = stored.person_id
    if late:
        event["late"] = True
    match body:
        case Outcome() | Decided():
            verdict = body.verdict
            event["tap_seq"] = body.tap_seq
            event |= {"granted": verdict.granted, "reason": verdict.reason, "amount_fen": verdict.amount}
            if verdict.offline:
                event["offline"] = True
            if isinstance(body, Outcome):
                event["outcome"] = body.outcome
        case DeviceEvent():
            event |= {"event": body.event, "detail": body.detail, "alarm": body.alarm}
        case Intent():
            decision = stored.decision
            if decision is not None:
                event |= {"granted": decision.granted, "reason": decision.reason, "amount_fen": decision.amount}
    return event


def dish_line_row(key: TapKey, number: int, line: Line, site: SiteId, meal: Meal) -> Row:
    """Return the row of one thing that was chosen at a till."""
    return {
        "device_id": key.device,
        "epoch": key.epoch,
        "seq": key.seq,
        "line": number,
        "site_id": site,
        "stall_id": meal.stall,
        "meal_id": meal.meal or "unknown",
        "business_day": meal.business_day,
        "code": line.code,
        "count": line.count,
        "price_fen": line.price,
    }


def quarantine_row(row_id: UUID, site: SiteId, key: TapKey, record: Record, why: str) -> Row:
    """Return the row of a record that a person must look at, its bytes unchanged."""
    return {
        "id": row_id,
        "site_id": site,
        "device_id": key.device,
        "epoch": key.epoch,
        "seq": key.seq,
        "why": why,
        "hash": record.hash.hex(),
        "previous": record.previous.hex(),
        "body": record.body.hex(),
    }


def finding_row(row_id: UUID, site: SiteId, kind: str, key: TapKey, detail: Mapping[str, object], now: datetime) -> Row:
    """Return the row of a named difference."""
    subject = f"{key.device}/{key.epoch}/{key.seq}"
    return {"id": row_id, "site_id": site, "kind": kind, "subject": subject, "detail": detail, "opened_at": now}
