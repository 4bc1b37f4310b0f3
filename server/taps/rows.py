"""Turns what a batch knows into the rows of its tables and the events that pages hear. No rules here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from cardcore.ids import SiteId, TapKey
from cardcore.journal import Body, Decided, DeviceEvent, Intent, Outcome, Record
from server.taps.arrivals import Arrival, Row, StoredRecord


def record_row(arrival: Arrival, key: TapKey, record: Record, body: Body, stored: StoredRecord) -> Row:
    """Return the row of `record`, all but its times."""
    decision = stored.decision
    row: Row = {
        "device_id": key.device,
        "epoch": key.epoch,
        "seq": key.seq,
        "site_id": arrival.device.site,
        "kind": stored.kind,
        "tap_seq": None,
        "purpose": stored.purpose or None,
        "place": stored.place,
        "credential": stored.credential or None,
        "card_id": stored.card_id,
        "person_id": stored.person_id,
        "granted": decision.granted if decision else None,
        "reason": decision.reason if decision else None,
        "live": arrival.live,
        "offline": None,
        "outcome": None,
        "amount_fen": decision.amount if decision else 0,
        "balance_fen": decision.balance_after if decision else None,
        "meal_id": decision.meal if decision else "",
        "policy_version": decision.policy_version if decision else 0,
        "hash": record.hash.hex(),
        "previous": record.previous.hex(),
        "mac": record.mac.hex(),
        "body": record.body.decode(),
    }
    match body:
        case Outcome() | Decided():
            verdict = body.verdict
            row |= {
                "tap_seq": body.tap_seq,
                "granted": verdict.granted,
                "reason": verdict.reason,
                "offline": verdict.offline,
                "outcome": body.outcome if isinstance(body, Outcome) else None,
                "amount_fen": verdict.amount,
                "meal_id": verdict.meal,
                "policy_version": verdict.policy_version,
            }
        case DeviceEvent():
            row |= {"reason": body.event}
        case Intent():
            pass
    return row


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
