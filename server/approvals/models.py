"""What an approval is: the operations that need one, the request that waits, and every way it can end. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from cardcore.ids import ApprovalId, PersonId, SiteId, StaffId
from server.audit.service import staff_actor
from server.database import ReadSession, WriteSession
from server.staff.roles import Permission
from server.system import System

LIFE = timedelta(hours=24)
"""A request that nobody decided in this time has expired."""
SHOWN_FOR = timedelta(days=7)
"""How long the list shows what was decided."""
MAX_CONTENT_BYTES = 64 * 1024
MAX_REASON = 200
MAX_WAITING = 200
"""Requests of one maker that may wait at a time."""

Content = TypeVar("Content", bound=msgspec.Struct)


class ApprovalRefusal(StrEnum):
    """Why a request is not taken or not decided; nothing was changed."""

    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    """The permission to ask or to approve is missing."""
    PERSON_UNKNOWN = "person_unknown"
    """The login is tied to no person, so nobody can tell two pairs of eyes from one."""
    SAME_PERSON = "same_person"
    OWN_MATTER = "own_matter"
    """It concerns the card, purse or role of the one who asks or approves."""
    MAKER_GONE = "maker_gone"
    """The one who asked may no longer ask."""
    EXPIRED = "expired"
    DECIDED = "decided"
    """Somebody decided it before."""
    CHANGED = "changed"
    """What was approved is not what was asked."""
    ALREADY_ASKED = "already_asked"
    TOO_MANY = "too_many"
    TOO_LONG = "too_long"
    REASON_MISSING = "reason_missing"
    OPERATION_REFUSED = "operation_refused"
    """Approved, but the operation itself said no; the approval is used up and holds the operation's refusal."""


class ApprovalState(StrEnum):
    """How a request stands."""

    WAITING = "waiting"
    EXECUTED = "executed"
    REFUSED = "refused"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Approved:
    """What an operation is given when it is carried out, in the transaction that uses the approval up."""

    session: WriteSession
    system: System
    site_id: SiteId
    approval_id: ApprovalId
    maker: StaffId
    checker: StaffId
    reason: str

    @property
    def actor(self) -> str:
        """The actor of the operation's own audit row: who asked. The approval's row names who approved."""
        return staff_actor(self.maker)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Content]):
    """One thing that nobody does alone. Stands as a constant beside the service that it calls.

    `carry_out` does the deed and returns None, or returns its refusal (a StrEnum); a refusal undoes what it wrote.
    `concerns` names the people whose card, purse or role it touches: neither maker nor checker may be among them.
    """

    name: str
    content: type[Content]
    ask: Permission
    approve: Permission
    object_of: Callable[[Content], str]
    carry_out: Callable[[Approved, Content], StrEnum | None]
    concerns: Callable[[ReadSession | WriteSession, SiteId, Content], frozenset[PersonId]]


Operations = Mapping[str, Operation[Any]]
"""Every operation by its name: `server.approvals.operations.OPERATIONS` in the product."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the one who decides reads it; `seen` is what the decision must quote."""

    id: ApprovalId
    operation: str
    object: str
    content: Mapping[str, Any]
    seen: str
    """Hex of the hash over operation, object and content."""
    reason: str
    maker: StaffId
    maker_name: str
    asked_at: datetime
    expires_at: datetime
    state: ApprovalState
    outcome: str


def nobody(_session: ReadSession | WriteSession, _site_id: SiteId, _content: msgspec.Struct) -> frozenset[PersonId]:
    """Say that an operation concerns no single person."""
    return frozenset()
