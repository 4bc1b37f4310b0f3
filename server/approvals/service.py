"""Asking, approving, declining and withdrawing. The approved deed is done in the transaction that decides.

How to put an operation under four eyes:

1. Beside your service, declare the content (a frozen `msgspec.Struct` of strings, integers, ids) and a constant
   `Operation(name, content, ask, approve, object_of, carry_out, concerns)` (`server.approvals.models`).
2. Add the two permissions to `server/staff/roles.py` and the constant to `server.approvals.operations.OPERATIONS`.
3. Pages and commands call `ask`; another *person* (not another login) calls `approve` with the `seen` of the request
   that was read. `carry_out` runs then, once, with `Approved.actor` for its own audit row.

Rules held here and, where PostgreSQL can, by the table itself (security sheet section 5; I19): maker and checker are
different people, both known; both hold their permission at the moment of the deed; neither is concerned by it; the
request cannot be reworded, lives 24 hours and works once. Staff need a person: `onecard user add --person NUMBER`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from cardcore.ids import ApprovalId, PersonId, SiteId, StaffId
from server.approvals import repository
from server.approvals.models import (
    LIFE,
    MAX_CONTENT_BYTES,
    MAX_REASON,
    MAX_WAITING,
    SHOWN_FOR,
    ApprovalRefusal,
    ApprovalState,
    Approved,
    Content,
    Operation,
    Operations,
    Request,
)
from server.audit.service import Deed, record, staff_actor
from server.database import ReadSession, WriteSession
from server.staff import service as staff
from server.system import System


def ask(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    maker: StaffId,
    operation: Operation[Content],
    content: Content,
    reason: str,
) -> ApprovalId | ApprovalRefusal:
    """Ask for an operation; it waits for another person. One request a thing may wait at a time."""
    refusal = _asking_refusal(session, site_id, maker, operation, content)
    if refusal is not None:
        return refusal
    document = msgspec.json.encode(content, order="sorted")
    if not reason.strip():
        return ApprovalRefusal.REASON_MISSING
    if len(document) > MAX_CONTENT_BYTES or len(reason) > MAX_REASON:
        return ApprovalRefusal.TOO_LONG
    now = system.clock.now()
    repository.expire(session, site_id, now)
    if repository.count_waiting(session, site_id, maker) >= MAX_WAITING:
        return ApprovalRefusal.TOO_MANY
    approval_id, subject = ApprovalId(system.ids.uuid7()), operation.object_of(content)
    row = {
        "id": approval_id,
        "site_id": site_id,
        "operation": operation.name,
        "object": subject,
        "content": document.decode(),
        "content_hash": _hash(operation.name, subject, document),
        "reason": reason,
        "maker": maker,
        "maker_person": staff.person_of(session, maker),
        "asked_at": now,
        "expires_at": now + LIFE,
    }
    if not repository.insert(session, row):
        return ApprovalRefusal.ALREADY_ASKED
    after = {"operation": operation.name, "object": subject, "content": msgspec.to_builtins(content)}
    record(session, system, site_id, _deed(maker, "approval_asked", approval_id, after, reason))
    return approval_id


def approve(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    approval_id: ApprovalId,
    decision: tuple[StaffId, str],
    operations: Operations,
) -> ApprovalRefusal | None:
    """Carry out what was asked; `decision` is who approves and the `seen` of the request that they read."""
    checker, seen = decision
    row = repository.lock(session, site_id, approval_id)
    refusal = _closed(session, system, row) or _deciding_refusal(session, row, checker, operations)
    if refusal is not None or row is None:
        return refusal or ApprovalRefusal.NOT_FOUND
    operation = operations[row["operation"]]
    if not hmac.compare_digest(seen, _seen(row)):
        return ApprovalRefusal.CHANGED
    content = msgspec.json.decode(row["content"], type=operation.content)
    maker, person = StaffId(row["maker"]), staff.person_of(session, checker)
    if not operation.concerns(session, site_id, content).isdisjoint({row["maker_person"], person}):
        return ApprovalRefusal.OWN_MATTER
    given = Approved(session, system, site_id, approval_id, maker, checker, row["reason"])
    attempt = session.begin_nested()
    outcome = operation.carry_out(given, content)
    if outcome is None:
        attempt.commit()
    else:
        attempt.rollback()
    state = ApprovalState.EXECUTED if outcome is None else ApprovalState.REFUSED
    _finish(session, system, row, state, (checker, person), outcome or "")
    return None if outcome is None else ApprovalRefusal.OPERATION_REFUSED


def decline(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    approval_id: ApprovalId,
    checker: StaffId,
    operations: Operations,
) -> ApprovalRefusal | None:
    """Refuse what was asked, by the one who could approve it."""
    row = repository.lock(session, site_id, approval_id)
    refusal = _closed(session, system, row) or _deciding_refusal(session, row, checker, operations)
    if refusal is not None or row is None:
        return refusal or ApprovalRefusal.NOT_FOUND
    _finish(session, system, row, ApprovalState.DECLINED, (checker, staff.person_of(session, checker)))
    return None


def withdraw(
    session: WriteSession, system: System, site_id: SiteId, approval_id: ApprovalId, maker: StaffId
) -> ApprovalRefusal | None:
    """Take back one's own request."""
    row = repository.lock(session, site_id, approval_id)
    refusal = _closed(session, system, row)
    if refusal is not None or row is None:
        return refusal or ApprovalRefusal.NOT_FOUND
    if row["maker"] != maker:
        return ApprovalRefusal.NOT_ALLOWED
    _finish(session, system, row, ApprovalState.WITHDRAWN, None)
    return None


def waiting(
    session: ReadSession, site_id: SiteId, viewer: StaffId, operations: Operations, at: datetime
) -> tuple[Request, ...]:
    """Return what waits and the viewer may ask or approve, oldest first."""
    view = staff.viewed(session, viewer, site_id)
    permissions = frozenset() if view is None else view.permissions
    return tuple(
        _request(row)
        for row in repository.waiting(session, site_id, at)
        if (found := operations.get(row["operation"])) is not None
        and not permissions.isdisjoint({found.ask, found.approve})
    )


def decided(
    session: ReadSession, site_id: SiteId, viewer: StaffId, operations: Operations, at: datetime
) -> tuple[tuple[Request, str], ...]:
    """Return what ended in the last `SHOWN_FOR`, newest first, each with who decided ("" where nobody did)."""
    view = staff.viewed(session, viewer, site_id)
    permissions = frozenset() if view is None else view.permissions
    return tuple(
        (_request(row), row["checker_name"] or "")
        for row in repository.decided(session, site_id, at - SHOWN_FOR)
        if (found := operations.get(row["operation"])) is not None
        and not permissions.isdisjoint({found.ask, found.approve})
    )


def waiting_for(
    session: ReadSession | WriteSession, site_id: SiteId, operation: Operation[Content], content: Content, at: datetime
) -> Request | None:
    """Return the request that waits for exactly this, or None."""
    found = repository.waiting_for(session, site_id, operation.name, operation.object_of(content), at)
    return None if found is None else get(session, site_id, ApprovalId(found))


def get(session: ReadSession | WriteSession, site_id: SiteId, approval_id: ApprovalId) -> Request | None:
    """Return one request in whatever state, or None if unknown or of another site."""
    row = repository.get(session, site_id, approval_id)
    return None if row is None else _request(row)


def _asking_refusal(
    session: WriteSession, site_id: SiteId, maker: StaffId, operation: Operation[Content], content: Content
) -> ApprovalRefusal | None:
    if not staff.may(session, maker, site_id, operation.ask):
        return ApprovalRefusal.NOT_ALLOWED
    person = staff.person_of(session, maker)
    if person is None:
        return ApprovalRefusal.PERSON_UNKNOWN
    return ApprovalRefusal.OWN_MATTER if person in operation.concerns(session, site_id, content) else None


def _closed(session: WriteSession, system: System, row: RowMapping | None) -> ApprovalRefusal | None:
    """Tell why a request cannot be decided by anybody; marks one that has just expired."""
    if row is None:
        return ApprovalRefusal.NOT_FOUND
    if row["state"] != ApprovalState.WAITING:
        return ApprovalRefusal.EXPIRED if row["state"] == ApprovalState.EXPIRED else ApprovalRefusal.DECIDED
    if row["expires_at"] <= system.clock.now():
        repository.finish(session, row["id"], ApprovalState.EXPIRED, system.clock.now(), None, "")
        return ApprovalRefusal.EXPIRED
    return None


def _deciding_refusal(
    session: WriteSession, row: RowMapping | None, checker: StaffId, operations: Operations
) -> ApprovalRefusal | None:
    operation = operations.get(row["operation"]) if row is not None else None
    if row is None or operation is None:
        return ApprovalRefusal.NOT_FOUND
    site_id, maker = SiteId(row["site_id"]), StaffId(row["maker"])
    if not staff.may(session, checker, site_id, operation.approve):
        return ApprovalRefusal.NOT_ALLOWED
    if not staff.may(session, maker, site_id, operation.ask):
        return ApprovalRefusal.MAKER_GONE
    person = staff.person_of(session, checker)
    if person is None:
        return ApprovalRefusal.PERSON_UNKNOWN
    same = checker == maker or person in {row["maker_person"], staff.person_of(session, maker)}
    return ApprovalRefusal.SAME_PERSON if same else None


def _finish(
    session: WriteSession,
    system: System,
    row: RowMapping,
    state: ApprovalState,
    checker: tuple[StaffId, PersonId | None] | None,
    outcome: str = "",
) -> None:
    login, person = checker or (StaffId(row["maker"]), None)
    decided = None if person is None else (login, person)
    repository.finish(session, row["id"], state, system.clock.now(), decided, outcome)
    after = {"operation": row["operation"], "object": row["object"], "seen": _seen(row), "outcome": outcome}
    deed = _deed(login, f"approval_{state}", ApprovalId(row["id"]), after, row["reason"])
    record(session, system, SiteId(row["site_id"]), deed)


def _deed(actor: StaffId, action: str, approval_id: ApprovalId, after: Mapping[str, Any], reason: str) -> Deed:
    return Deed(staff_actor(actor), action, f"approval:{approval_id}", after=after, reason=reason)


def _hash(operation: str, subject: str, document: bytes) -> bytes:
    return hashlib.sha256(b"\0".join((operation.encode(), subject.encode(), document))).digest()


def _seen(row: RowMapping) -> str:
    """Return the hash of what the row says now, not of what it said about itself."""
    return _hash(row["operation"], row["object"], row["content"].encode()).hex()


def _request(row: RowMapping) -> Request:
    return Request(
        id=ApprovalId(row["id"]),
        operation=row["operation"],
        object=row["object"],
        content=msgspec.json.decode(row["content"]),
        seen=_seen(row),
        reason=row["reason"],
        maker=StaffId(row["maker"]),
        maker_name=row["maker_name"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        state=ApprovalState(row["state"]),
        outcome=row["outcome"],
    )
